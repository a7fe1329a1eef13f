# Every request to the guest's disk takes 5 ms, and is counted in that range or, in a
# slow emulation, in one above it.
start profile_blockio --per-disk --per-operation --print-interval 0.2
dd if=/dev/zero of=/dev/nvme0n1 bs=4k count=20 oflag=direct 2>/dev/null
dd if=/dev/nvme0n1 of=/dev/null bs=4k count=10 iflag=direct 2>/dev/null
for is in 20,write 10,read; do
	expect "{\"buckets\":\[{\"count\":[0-9]*,\"from\":\(4096\|8192\|16384\|32768\),.*\"count\":${is%,*},\"keys\":{\"disk\":\"nvme0n1\",\"operation\":\"${is#*,}\"},\"name\":\"latency\""
done
verdict $1
