/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cost model: how long lists and transfers take, and how the host waits
 * until they have taken it.
 */
#include "device/emu/emu.h"

#include <errno.h>
#include <math.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C (1000000000)
#define NS_PER_US 1000.0
/* (bytes / (10^6 bytes / s)) in ns */
#define NS_PER_BYTE_AT_1_MBPS 1000.0
/* Two operations each. */
#define MULTIPLY_ADD 2.0
/* Some thirty years: whoever sets such costs will not wait for the end. */
#define COST_MAX 1e18

static double
stem_work (const NpuOperation * operation)
{
  const NpuStemOperation *stem = &operation->stem;
  double taps1 = 3.0 * stem->bands, taps2 = 3.0 * stem->width, sum = 0.0;

  for (uint32_t i = 0; i < operation->batch; i++)
    sum += stem->items[i].output.rows * (2.0 * taps1 + taps2);
  return MULTIPLY_ADD * sum * stem->width;
}

static double
gemm_work (const NpuOperation * operation, const NpuProgram * program)
{
  const NpuTensorShape *weight = &program->shapes[operation->gemm.weight];
  double rows = 0.0;

  for (uint32_t i = 0; i < operation->batch; i++)
    rows += operation->gemm.input[i].rows;
  return MULTIPLY_ADD * rows * weight->rows * weight->columns;
}

/* Scores, then the weighted sum of the values. */
static double
attention_work (const NpuOperation * operation)
{
  const NpuAttentionOperation *attention = &operation->attention;
  double sum = 0.0;

  for (uint32_t i = 0; i < operation->batch; i++) {
    double rows = attention->items[i].input.rows;

    sum += 2.0 * rows * rows;
  }
  return MULTIPLY_ADD * sum * attention->width;
}

static void
add_tile_work (const NpuOperation * operation, NpuEmuWork * work)
{
  static const double side = NPU_TILE_SIDE, block = NPU_TILE_BLOCK;
  static const double rows = NPU_TILE_ROWS, head = NPU_TILE_HEAD_SIZE;
  const NpuTileOperation *tile = &operation->tile;
  double tiles = 0.0;

  for (uint32_t i = 0; i < operation->batch; i++)
    tiles += tile->input[i].rows;
  switch (tile->kernel) {
    case NPU_TILE_ATTENTION_INT8:
      work->int8 += tiles * MULTIPLY_ADD * 2.0 * rows * rows * head;
      break;
    case NPU_TILE_ATTENTION_BF16:
      work->bf16 += tiles * MULTIPLY_ADD * 2.0 * rows * rows * head;
      break;
    case NPU_TILE_GEMM_INT8:
      work->int8 += tiles * MULTIPLY_ADD * block * block * block;
      break;
    case NPU_TILE_GEMM_BF16:
      work->bf16 += tiles * MULTIPLY_ADD * side * side * side;
      break;
    default:                   /* has no products */
      break;
  }
}

NpuEmuWork
npu_emu_list_work (const NpuList * list)
{
  NpuEmuWork work = { 0.0, 0.0 };

  for (size_t i = 0; i < list->count; i++) {
    const NpuOperation *operation = &list->operations[i];

    switch (operation->type) {
      case NPU_OPERATION_CONV1D_STEM:
        work.bf16 += stem_work (operation);
        break;
      case NPU_OPERATION_GEMM:
        work.bf16 += gemm_work (operation, list->program);
        break;
      case NPU_OPERATION_ATTENTION:
        work.bf16 += attention_work (operation);
        break;
      case NPU_OPERATION_TILE:
        add_tile_work (operation, &work);
        break;
      default:                 /* has no products */
        break;
    }
  }
  return work;
}

static uint64_t
to_ns (double ns)
{
  return (uint64_t) llround (ns < COST_MAX ? ns : COST_MAX);
}

uint64_t
npu_emu_list_cost (const NpuEmuCost * cost, const NpuEmuWork * work)
{
  double ns = cost->launch_us * NS_PER_US;

  if (cost->bf16_gops > 0.0)
    ns += work->bf16 / cost->bf16_gops;
  if (cost->int8_gops > 0.0)
    ns += work->int8 / cost->int8_gops;
  return to_ns (ns);
}

uint64_t
npu_emu_sync_cost (const NpuEmuCost * cost, NpuSyncDirection direction,
    size_t bytes)
{
  double mbps = direction == NPU_SYNC_TO_DEVICE ? cost->to_device_mbps
      : cost->from_device_mbps;

  return mbps > 0.0
      ? to_ns ((double) bytes * NS_PER_BYTE_AT_1_MBPS / mbps) : 0;
}

void
npu_emu_sleep_until (uint64_t deadline_ns)
{
  uint64_t now = npu_monotonic_now (), wake;
  struct timespec time;

  if (deadline_ns > now + NPU_EMU_SPIN_NS) {
    wake = deadline_ns - NPU_EMU_SPIN_NS;
    time.tv_sec = (time_t) (wake / NS_PER_SECOND);
    time.tv_nsec = (long) (wake % NS_PER_SECOND);
    while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL)
        == EINTR);
  }
  while (npu_monotonic_now () < deadline_ns);
}
