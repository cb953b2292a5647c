/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Features of x86 processors: CPUID says what there is, XGETBV which registers
 * the system saves, and Linux gives AMX's tiles to who asks for them.
 */
#include "cpu/cpu-features.h"

#ifdef NPU_KERNELS_X86
#include <cpuid.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* CPUID leaf 7. */
#define EDX_AMX_BF16 (1u << 22)
#define EDX_AMX_TILE (1u << 24)
#define EDX_AMX_INT8 (1u << 25)
#define EAX_AVX_VNNI (1u << 4)  /* subleaf 1 */
/* XCR0: configuration and data of tiles. */
#define XCR0_TILES (3u << 17)
#define ECX_OSXSAVE (1u << 27)  /* leaf 1 */
/* arch_prctl() */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILE_DATA 18

static bool features[NPU_CPU_FEATURES];
static bool permitted;          /* tiles */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_once_t permission_once = PTHREAD_ONCE_INIT;

static bool
system_saves_tiles (void)
{
  uint32_t eax, ebx, ecx, edx;

  if (!__get_cpuid (1, &eax, &ebx, &ecx, &edx) || !(ecx & ECX_OSXSAVE))
    return false;
  __asm__ ("xgetbv":"=a" (eax), "=d" (edx):"c" (0));
  return (eax & XCR0_TILES) == XCR0_TILES;
}

/* Larger signal frames are its price, also for the program that we are in. */
static void
ask_for_tiles (void)
{
#if defined (__linux__) && defined (SYS_arch_prctl)
  permitted = syscall (SYS_arch_prctl, ARCH_REQ_XCOMP_PERM,
      XFEATURE_TILE_DATA) == 0;
#endif
}

static void
find_features (void)
{
  uint32_t eax, ebx, ecx, edx;
  bool avx512;

  __builtin_cpu_init ();
  features[NPU_CPU_BASELINE] = true;
  features[NPU_CPU_AVX2] = __builtin_cpu_supports ("avx2")
      && __builtin_cpu_supports ("fma");
  avx512 = features[NPU_CPU_AVX2] && __builtin_cpu_supports ("avx512f")
      && __builtin_cpu_supports ("avx512bw")
      && __builtin_cpu_supports ("avx512dq")
      && __builtin_cpu_supports ("avx512vl");
  features[NPU_CPU_AVX512] = avx512;
  features[NPU_CPU_AVX512_BF16] = avx512
      && __builtin_cpu_supports ("avx512bf16");
  features[NPU_CPU_AVX512_VNNI] = avx512
      && __builtin_cpu_supports ("avx512vnni");
  if (__get_cpuid_count (7, 1, &eax, &ebx, &ecx, &edx))
    features[NPU_CPU_AVX_VNNI] = features[NPU_CPU_AVX2]
        && (eax & EAX_AVX_VNNI);
  if (__get_cpuid_count (7, 0, &eax, &ebx, &ecx, &edx)
      && (edx & EDX_AMX_TILE) && system_saves_tiles ()) {
    features[NPU_CPU_AMX_BF16] = edx & EDX_AMX_BF16;
    features[NPU_CPU_AMX_INT8] = edx & EDX_AMX_INT8;
  }
}

bool
npu_cpu_has (NpuCpuFeature feature)
{
  pthread_once (&once, find_features);
  if (!features[feature] || (feature != NPU_CPU_AMX_BF16
          && feature != NPU_CPU_AMX_INT8))
    return features[feature];
  pthread_once (&permission_once, ask_for_tiles);
  return permitted;
}
#else
bool
npu_cpu_has (NpuCpuFeature feature)
{
  return feature == NPU_CPU_BASELINE;
}
#endif
