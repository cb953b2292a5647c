/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which instructions this processor and system let a program use.
 */
#ifndef NPU_KERNELS_CPU_FEATURES_H
#define NPU_KERNELS_CPU_FEATURES_H

#include <stdbool.h>

typedef enum
{
  NPU_CPU_BASELINE,             /* what every processor has */
  NPU_CPU_AVX2,                 /* and FMA */
  NPU_CPU_AVX512,               /* F, BW, DQ and VL */
  NPU_CPU_AVX512_BF16,
  NPU_CPU_AVX512_VNNI,
  NPU_CPU_AVX_VNNI,             /* the same on 32 bytes, without AVX-512 */
  NPU_CPU_AMX_BF16,
  NPU_CPU_AMX_INT8,
  NPU_CPU_FEATURES
} NpuCpuFeature;

/**
 * npu_cpu_has:
 * Returns whether @feature can be used. The first question for AMX, and no
 * other, asks for the system's permission, which holds for the process. Any
 * thread.
 */
bool npu_cpu_has (NpuCpuFeature feature);

#endif
