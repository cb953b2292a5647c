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
  bool (*supported) (void);
  void (*init) (NpuKernels * kernels);
} KernelSet;

static bool
always (void)
{
  return true;
}

#ifdef NPU_KERNELS_X86
static bool
has_avx2 (void)
{
  return npu_cpu_has (NPU_CPU_AVX2);
}

static bool
has_avx512 (void)
{
  return npu_cpu_has (NPU_CPU_AVX512);
}

static bool
has_avx512bf16 (void)
{
  return npu_cpu_has (NPU_CPU_AVX512_BF16);
}
#endif

static const KernelSet sets[] = {
#ifdef NPU_KERNELS_X86
  {"avx512bf16", has_avx512bf16, npu_kernels_init_avx512bf16},
  {"avx512", has_avx512, npu_kernels_init_avx512},
  {"avx2", has_avx2, npu_kernels_init_avx2},
#endif
  {"c", always, npu_kernels_init_c},
};

#define SETS (sizeof (sets) / sizeof (sets[0]))

static const char *supported_names[SETS + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
find_supported (void)
{
  size_t found = 0;

  for (size_t i = 0; i < SETS; i++)
    if (sets[i].supported ())
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
    if (strcmp (sets[i].name, name) == 0 && sets[i].supported ()) {
      sets[i].init (kernels);
      return true;
    }
  }
  return false;
}
