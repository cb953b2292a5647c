/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The array's cores, played by host threads, and the way of tiles between
 * device memory and a core's.
 */
#include "device/emu/emu.h"

typedef struct
{
  NpuEmuDevice *device;
  NpuEmuTileFunc func;
  const void *job;
  uint32_t tiles;
} Dealt;

static void
play_core (void *user, uint32_t core, uint32_t worker)
{
  const Dealt *dealt = user;

  for (uint32_t tile = core; tile < dealt->tiles; tile += NPU_EMU_CORES)
    dealt->func (dealt->job, &dealt->device->cores[core], tile);
}

void
npu_emu_array_run (NpuEmuDevice * device, NpuEmuTileFunc func,
    const void *job, uint32_t tiles)
{
  Dealt dealt = { device, func, job, tiles };

  npu_pool_run (device->pool, tiles < NPU_EMU_CORES ? tiles : NPU_EMU_CORES,
      play_core, &dealt);
}

static uint32_t
least (uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

NpuTileRows
npu_emu_gather (const NpuEmuRows * rows, uint32_t row, uint32_t column,
    NpuEmuTileRow * copy)
{
  const uint16_t *first = rows->values + row * rows->stride + column;
  uint32_t height = least (rows->rows - row, NPU_TILE_SIDE);
  uint32_t width = least (rows->columns - column, NPU_TILE_SIDE);

  if (height == NPU_TILE_SIDE && width == NPU_TILE_SIDE)
    return (NpuTileRows) { first, rows->stride };
  memset (copy, 0, sizeof (NpuEmuTile));
  for (uint32_t r = 0; r < height; r++)
    memcpy (copy[r], first + r * rows->stride, width * sizeof (*first));
  return (NpuTileRows) { copy[0], NPU_TILE_SIDE };
}

void
npu_emu_scatter (NpuEmuTileRow * tile, uint16_t * output, size_t stride,
    uint32_t rows, uint32_t columns)
{
  rows = least (rows, NPU_TILE_SIDE);
  columns = least (columns, NPU_TILE_SIDE);
  for (uint32_t r = 0; r < rows; r++)
    memcpy (output + r * stride, tile[r], columns * sizeof (*output));
}
