/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The loops of npu-bench peak. They are assembly, so that they are what they
 * say with any compiler and any flags. Of each vector kind twelve sums are
 * independent, more than latency times units anywhere, and all registers are
 * among the first sixteen, which every compiler may be told of.
 */
#include "peak.h"

#include <string.h>

#ifdef __x86_64__

#define SUMS 12
/* Of a round, so that the loop itself costs nothing. */
#define REPEATS 32
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF (number)

#define CLOBBERED "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", \
    "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
    "xmm14", "xmm15"

#define ON(instruction, kind, sum) \
  instruction " %%" kind "12, %%" kind "13, %%" kind #sum "\n"
#define ON_ALL(instruction, kind) \
  ON (instruction, kind, 0) ON (instruction, kind, 1) \
  ON (instruction, kind, 2) ON (instruction, kind, 3) \
  ON (instruction, kind, 4) ON (instruction, kind, 5) \
  ON (instruction, kind, 6) ON (instruction, kind, 7) \
  ON (instruction, kind, 8) ON (instruction, kind, 9) \
  ON (instruction, kind, 10) ON (instruction, kind, 11)

/* Zeros all the time: no number is slower than another, and none overflows. */
#define VECTOR_LOOP(name, instruction, kind) \
  static void \
  name (uint64_t rounds) \
  { \
    __asm__ volatile ("vzeroall\n" \
        "1:\n.rept " TEXT (REPEATS) "\n" ON_ALL (instruction, kind) \
        ".endr\ndec %0\njnz 1b\nvzeroupper\n" \
        : "+r" (rounds) : : CLOBBERED); \
  }

VECTOR_LOOP (multiply_add_avx2, "vfmadd231ps", "ymm")
VECTOR_LOOP (multiply_add_avx512, "vfmadd231ps", "zmm")
VECTOR_LOOP (bf16_avx512, "vdpbf16ps", "zmm")
VECTOR_LOOP (int8_avx512, "vpdpbusd", "zmm")
VECTOR_LOOP (int8_avx, "%{vex%} vpdpbusd", "ymm")

/* Four sums of two by two tiles, as a matrix product has them. */
#define TILE_SUMS 4
#define TILES(instruction) \
  instruction " %%tmm6, %%tmm4, %%tmm0\n" \
  instruction " %%tmm7, %%tmm4, %%tmm1\n" \
  instruction " %%tmm6, %%tmm5, %%tmm2\n" \
  instruction " %%tmm7, %%tmm5, %%tmm3\n"
#define TILE_LOOP(name, instruction) \
  static void \
  name (uint64_t rounds) \
  { \
    __asm__ volatile ( \
        "1:\n.rept " TEXT (REPEATS) "\n" TILES (instruction) \
        ".endr\ndec %0\njnz 1b\n" : "+r" (rounds) : : "cc"); \
  }

TILE_LOOP (bf16_amx, "tdpbf16ps")
TILE_LOOP (int8_amx, "tdpbssd")

/* One a cycle: what the clock is. */
#define ADDITIONS 512

static void
additions (uint64_t rounds)
{
  uint64_t sum = 0;

  __asm__ volatile ("1:\n.rept " TEXT (ADDITIONS) "\nadd $1, %1\n"
      ".endr\ndec %0\njnz 1b\n" : "+r" (rounds), "+r" (sum) : : "cc");
}

/* All tiles 16 rows of 64 bytes, zeros. */
static void
begin_tiles (void)
{
  struct
  {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } configuration;

  memset (&configuration, 0, sizeof (configuration));
  configuration.palette = 1;
  for (int i = 0; i < 8; i++) {
    configuration.row_bytes[i] = 64;
    configuration.rows[i] = 16;
  }
  __asm__ volatile ("ldtilecfg %0\n"
      "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\ntilezero %%tmm3\n"
      "tilezero %%tmm4\ntilezero %%tmm5\ntilezero %%tmm6\ntilezero %%tmm7\n"
      : : "m" (configuration));
}

static void
end_tiles (void)
{
  __asm__ volatile ("tilerelease");
}

/* Operations of a round: of each instruction, so many products and sums. */
#define VECTORS(products) (2.0 * (products) * SUMS * REPEATS)
#define TILE_PRODUCTS(depth) (2.0 * 16 * 16 * (depth) * TILE_SUMS * REPEATS)

const BenchArithmetic bench_arithmetic[] = {
  {"clock", "additions, each of the last", "x86-64", ADDITIONS,
      NPU_CPU_BASELINE, NULL, NULL, additions},
  {"float32-avx2", "float32 multiply-add", "AVX2", VECTORS (8), NPU_CPU_AVX2,
      NULL, NULL, multiply_add_avx2},
  {"float32-avx512", "float32 multiply-add", "AVX-512", VECTORS (16),
      NPU_CPU_AVX512, NULL, NULL, multiply_add_avx512},
  {"bf16-avx512", "bf16 dot product", "AVX-512 bf16", VECTORS (32),
      NPU_CPU_AVX512_BF16, NULL, NULL, bf16_avx512},
  {"bf16-amx", "bf16 dot product", "AMX", TILE_PRODUCTS (32), NPU_CPU_AMX_BF16,
      begin_tiles, end_tiles, bf16_amx},
  {"int8-avx", "int8 dot product", "AVX VNNI", VECTORS (32), NPU_CPU_AVX_VNNI,
      NULL, NULL, int8_avx},
  {"int8-avx512", "int8 dot product", "AVX-512 VNNI", VECTORS (64),
      NPU_CPU_AVX512_VNNI, NULL, NULL, int8_avx512},
  {"int8-amx", "int8 dot product", "AMX", TILE_PRODUCTS (64), NPU_CPU_AMX_INT8,
      begin_tiles, end_tiles, int8_amx},
};

#define READ_LOOP(name, kind, width) \
  static void \
  name (const char *memory, const char *end) \
  { \
    __asm__ volatile ("1:\n" \
        ".set offset, 0\n.rept 512 / " #width "\n" \
        "vmovaps offset(%0), %%" kind "0\n.set offset, offset + " #width "\n" \
        ".endr\nadd $512, %0\ncmp %1, %0\njb 1b\nvzeroupper\n" \
        : "+r" (memory) : "r" (end) : "cc", "memory", "xmm0"); \
  }

READ_LOOP (read_avx2, "ymm", 32)
READ_LOOP (read_avx512, "zmm", 64)
#else
const BenchArithmetic bench_arithmetic[1];
#endif

static void
read_plain (const char *memory, const char *end)
{
  uint64_t sum = 0;

  for (const uint64_t * at = (const void *) memory;
      (const char *) at < end; at += 8)
    sum += at[0] + at[1] + at[2] + at[3] + at[4] + at[5] + at[6] + at[7];
  __asm__ volatile ("" : : "r" (sum));
}

void
bench_read (const void *memory, size_t size, uint64_t rounds)
{
  const char *first = memory;
  void (*read) (const char *, const char *) = read_plain;

#ifdef __x86_64__
  if (npu_cpu_has (NPU_CPU_AVX512))
    read = read_avx512;
  else if (npu_cpu_has (NPU_CPU_AVX2))
    read = read_avx2;
#endif
  while (rounds-- > 0)
    read (first, first + size);
}

const size_t bench_arithmetic_count =
#ifdef __x86_64__
    sizeof (bench_arithmetic) / sizeof (bench_arithmetic[0]);
#else
    0;
#endif
