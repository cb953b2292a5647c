/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which kernel sets this processor can run.
 */
#include "cpu/cpu-features.h"
#include "cpu/kernels.h"

#include <pthread.h>
#include <string.h>

typedef struct
{
  const char *name;
  NpuCpuFeature needs;
  void (*init) (NpuKernels * kernels);
} KernelSet;

static const KernelSet sets[] = {
#ifdef NPU_KERNELS_X86
  {"avx512bf16", NPU_CPU_AVX512_BF16, npu_kernels_init_avx512bf16},
  {"avx512", NPU_CPU_AVX512, npu_kernels_init_avx512},
  {"avx2", NPU_CPU_AVX2, npu_kernels_init_avx2},
#endif
  {"c", NPU_CPU_BASELINE, npu_kernels_init_c},
};

#define SETS (sizeof (sets) / sizeof (sets[0]))

static const char *supported_names[SETS + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
find_supported (void)
{
  size_t found = 0;

  for (size_t i = 0; i < SETS; i++)
    if (npu_cpu_has (sets[i].needs))
      supported_names[found++] = sets[i].name;
}

const char *const *
npu_kernels_names (void)
{
  pthread_once (&once, find_supported);
  return supported_names;
}

bool
npu_kernels_init (NpuKernels * kernels, const char *name)
{
  pthread_once (&once, find_supported);
  for (size_t i = 0; i < SETS; i++) {
    if (strcmp (sets[i].name, name) == 0 && npu_cpu_has (sets[i].needs)) {
      sets[i].init (kernels);
      return true;
    }
  }
  return false;
}
