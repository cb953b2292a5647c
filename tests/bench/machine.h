/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a benchmark has to know of the machine that it runs on.
 */
#ifndef NPU_BENCH_MACHINE_H
#define NPU_BENCH_MACHINE_H

#include <stddef.h>

#include <jansson.h>

/**
 * bench_cpu_count:
 * Returns how many processors this process may use, at most @most.
 */
unsigned bench_cpu_count (unsigned most);

/**
 * bench_pin_thread:
 * Keep the calling thread on the processor that is number @index of those that
 * the process may use, modulo their count.
 */
void bench_pin_thread (unsigned index);

/**
 * bench_read_size:
 * Returns the bytes that each of @threads threads should go through to measure
 * level 0, 1 or 2 of the caches, or memory (3): half of what a cache holds, and
 * four times the last cache. A multiple of 4096.
 */
size_t bench_read_size (int level, unsigned threads);

/**
 * bench_allocate:
 * Returns @size bytes, aligned to a page, of large pages where the system has
 * them; NULL without memory, and says so. Give back with bench_free().
 */
void *bench_allocate (size_t size);
void bench_free (void *memory, size_t size);

/**
 * bench_machine_to_json:
 * Returns an object with "machine", the processor's name, and "features", the
 * instructions that it has; to be given back with json_decref().
 */
json_t *bench_machine_to_json (void);

#endif
