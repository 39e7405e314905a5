#!/bin/bash
# Pid 1 of one host of the rig, in namespaces of its own. Arguments: the host's name and its folder on disk.
# What a machine keeps in memory lies on a private tmpfs at /run, so that it is gone when this process dies.
set -e
name=$1 folder=$2
hostname "$name"
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/docker/plugins /run/openvswitch /run/netns /run/lock /run/setpoint
mkdir -p "$folder"/{etc-docker,ovs,docker,agent,log,cgroup} /etc/docker
mount --bind "$folder/etc-docker" /etc/docker
# A sysfs that shows this network namespace, over the same tree of cgroups.
mount --rbind /sys/fs/cgroup "$folder/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$folder/cgroup" /sys/fs/cgroup
umount -l "$folder/cgroup"
ip link set lo up
echo up
# Bash reaps the orphans that every pid 1 inherits.
trap 'exit 0' TERM
while :; do
  sleep 3600 &
  wait $!
done
