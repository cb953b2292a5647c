/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loops that show what a machine can do at most: arithmetic that waits for
 * nothing, and reads that do nothing with what they read.
 */
#ifndef NPU_BENCH_PEAK_H
#define NPU_BENCH_PEAK_H

#include "cpu/cpu-features.h"

#include <stddef.h>
#include <stdint.h>

/* One kind of arithmetic by one instruction set. */
typedef struct
{
  const char *key;              /* for the JSON */
  const char *arithmetic;       /* "float32 multiply-add" */
  const char *instructions;     /* "AVX-512" */
  double operations;            /* of a round; a multiply-add is two */
  NpuCpuFeature needs;
  /* Called in each thread before and after its rounds; may be NULL. */
  void (*begin) (void);
  void (*end) (void);
  void (*run) (uint64_t rounds);
} BenchArithmetic;

extern const BenchArithmetic bench_arithmetic[];
extern const size_t bench_arithmetic_count;

/**
 * bench_read:
 * Read @size bytes @rounds times with the widest loads that there are.
 *
 * @memory  64-byte aligned
 * @size    a multiple of 512
 */
void bench_read (const void *memory, size_t size, uint64_t rounds);

#endif
