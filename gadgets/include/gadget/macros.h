/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Declarations that user space reads: each macro emits a variable whose name
 * says it all and which the program never uses. Names must not contain "___".
 */
#ifndef GADGET_MACROS_H
#define GADGET_MACROS_H

#ifndef __always_unused
#define __always_unused __attribute__((unused))
#endif

/* A variable of that name, and a struct kept in the BTF of the object. */
#define __GADGET_DECLARE(name) const void *name __attribute__((unused))
#define __GADGET_KEEP(type, name) const struct type *name __attribute__((unused))

/*
 * GADGET_TRACER declares the data source name: a stream of struct type that
 * comes through map, which GADGET_TRACER_MAP of buffer.h defines.
 */
#define GADGET_TRACER(name, map, type)                                                             \
	__GADGET_DECLARE(gadget_tracer_##name##___##map##___##type);                               \
	__GADGET_KEEP(type, __gadget_tracer_type_##name)

/*
 * GADGET_PARAM makes a variable a parameter that users can set. Declare it as
 *
 *	const volatile bool failed = false;
 *	GADGET_PARAM(failed);
 */
#define GADGET_PARAM(variable) __GADGET_DECLARE(gadget_param_##variable)

/*
 * GADGET_ITER declares the data source name: rows of struct type, written by one
 * to three SEC("iter/...") programs.
 */
#define GADGET_ITER(...)                                                                           \
	__GADGET_ITER_N(__VA_ARGS__, __GADGET_ITER_3, __GADGET_ITER_2, __GADGET_ITER_1)            \
	(__VA_ARGS__)
#define __GADGET_ITER_N(name, type, p1, p2_or_n, p3_or_n, n, ...)                                  \
	__GADGET_ITER_PICK(name, type, p1, p2_or_n, p3_or_n, n)
#define __GADGET_ITER_PICK(name, type, p1, p2_or_n, p3_or_n, n) n
#define __GADGET_ITER_1(name, type, p1)                                                            \
	__GADGET_DECLARE(gadget_iter_##name##___##type##___##p1);                                  \
	__GADGET_KEEP(type, unusedevent_##name##___##type)
#define __GADGET_ITER_2(name, type, p1, p2)                                                        \
	__GADGET_DECLARE(gadget_iter_##name##___##type##___##p1##___##p2);                         \
	__GADGET_KEEP(type, unusedevent_##name##___##type)
#define __GADGET_ITER_3(name, type, p1, p2, p3)                                                    \
	__GADGET_DECLARE(gadget_iter_##name##___##type##___##p1##___##p2##___##p3);                \
	__GADGET_KEEP(type, unusedevent_##name##___##type)

/* The old name of GADGET_ITER. */
#define GADGET_SNAPSHOTTER(...) GADGET_ITER(__VA_ARGS__)

/*
 * GADGET_MAPITER declares the data source name: the entries of the hash map,
 * read and removed at every interval. Key and value must be structs.
 */
#define GADGET_MAPITER(name, map) __GADGET_DECLARE(gadget_mapiter_##name##___##map)

/* GADGET_ITER_TARGET_MAP names the map that an iter/bpf_map_elem program walks. */
#define GADGET_ITER_TARGET_MAP(program, map)                                                       \
	__GADGET_DECLARE(gadget_mapelem_iter_target_##program##___##map)

/* GADGET_SK_TARGET_MAP names the sockmap that an sk_skb or sk_msg program attaches to. */
#define GADGET_SK_TARGET_MAP(program, map)                                                         \
	__GADGET_DECLARE(gadget_sk_prog_target_##program##___##map)

#endif /* GADGET_MACROS_H */
