#!/bin/busybox sh
# Pid 1 of the initial RAM disk: mounts the root disk and goes on there.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod "$module"; done
tries=0
until [ -b /dev/vda ] || [ $tries -ge 50 ]; do
  $b usleep 20000
  tries=$((tries + 1))
done
$b mount -t ext4 -o noatime /dev/vda /root && $b mount -o move /dev /root/dev && exec $b switch_root /root /sbin/init
