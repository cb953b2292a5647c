/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the test programs of kernels share.
 */
#ifndef NPU_TESTS_KERNELS_CHECK_H
#define NPU_TESTS_KERNELS_CHECK_H

#include "cpu/kernels.h"
#include "random.h"

/* Ends a TAP case: @why is NULL when it went well. */
void report (const char *set, const char *kernel, const char *why,
    double error);

/* 64-byte aligned, all NaN; never fails. */
float *poisoned (size_t count);
/* The same, filled with random values times @size. */
float *random_values (size_t count, float size);

/* Relative L2 of @values against @reference; infinite if a NaN is among
 * them. */
double relative_error (const float *values, const float *reference,
    size_t count);

/* A matrix of random weights of @type. */
NpuMatrix random_matrix (NpuWeightType type, size_t outputs, size_t inputs);
void free_matrix (NpuMatrix * matrix);

void check_gemm (const NpuKernels * set, const NpuKernels * portable);
void check_layer_norm (const NpuKernels * set, const NpuKernels * portable);
void check_attention (const NpuKernels * set, const NpuKernels * portable);
void check_window (const NpuKernels * set, const NpuKernels * portable);
void check_rank (const NpuKernels * set, const NpuKernels * portable);

void bench_set (const NpuKernels * set, const NpuKernels * portable);
void bench_tiles (void);

#endif
