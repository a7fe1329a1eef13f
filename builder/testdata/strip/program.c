/* All that an object can hold: maps, variables in three sections, a call, source lines. */
typedef unsigned int u32;
typedef unsigned long long u64;

static void *(*map_lookup)(void *map, const void *key) = (void *)1;

struct {
	int (*type)[2];
	int (*max_entries)[1];
	u32 *key;
	u64 *value;
} counts __attribute__((section(".maps"), used));

const volatile u32 step = 1;
u32 changed = 7;
u64 zero;

static __attribute__((noinline)) int count(u32 key)
{
	u64 *value = map_lookup(&counts, &key);

	if (value)
		__sync_fetch_and_add(value, step);
	return 0;
}

__attribute__((section("raw_tp/sys_exit"), used)) int exit_of_syscall(void *ctx)
{
	changed++;
	zero += changed;
	return count(0);
}

char LICENSE[] __attribute__((section("license"), used)) = "GPL";
