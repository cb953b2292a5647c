/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Full attention: a tile is 64 queries of one head, which go through all of
 * the item's keys and values in blocks of 64. A head that is smaller than a
 * tile is filled up with zeros, which change no score and no output.
 */
#include "device/emu/emu.h"

#include <math.h>

typedef struct
{
  const NpuAttentionOperation *attention;
  uint32_t row_tiles;           /* of the longest item */
  uint32_t head_size;
  float factor;                 /* log2 (e) / sqrt (head size) */
} AttentionJob;

/* Where one head's queries (@part 0), keys (1) or values (2) lie. */
static NpuEmuRows
head_rows (const AttentionJob * job, const NpuAttentionItem * item,
    uint32_t head, uint32_t part)
{
  NpuEmuRows rows = npu_emu_rows (&item->input, 3 * job->attention->width);

  rows.values += part * job->attention->width + head * job->head_size;
  rows.columns = job->head_size;
  return rows;
}

static void
attention_tile (const void *user, NpuEmuCore * core, uint32_t tile)
{
  const AttentionJob *job = user;
  const NpuAttentionOperation *attention = job->attention;
  uint32_t first = tile % job->row_tiles * NPU_TILE_ROWS;
  uint32_t head = tile / job->row_tiles % attention->heads;
  const NpuAttentionItem *item =
      &attention->items[tile / job->row_tiles / attention->heads];
  NpuEmuRows queries = head_rows (job, item, head, 0);
  NpuEmuRows keys = head_rows (job, item, head, 1);
  NpuEmuRows values = head_rows (job, item, head, 2);
  size_t stride = npu_emu_stride (attention->width);
  uint16_t *output = npu_emu_view (&item->output);

  if (first >= queries.rows)
    return;
  npu_tile_attention_begin (&core->attention,
      npu_emu_gather (&queries, first, 0, core->a), job->factor);
  for (uint32_t row = 0; row < keys.rows; row += NPU_TILE_ROWS) {
    uint32_t left = keys.rows - row;

    npu_tile_attention_block (&core->attention,
        npu_emu_gather (&keys, row, 0, core->a),
        npu_emu_gather (&values, row, 0, core->b),
        left < NPU_TILE_ROWS ? left : NPU_TILE_ROWS);
  }
  npu_tile_attention_end (&core->attention, core->result[0], NPU_TILE_SIDE);
  npu_emu_scatter (core->result, output + first * stride
      + head * job->head_size, stride, queries.rows - first, job->head_size);
}

void
npu_emu_attention (const NpuEmuRun * run, const NpuOperation * operation)
{
  const NpuAttentionOperation *attention = &operation->attention;
  AttentionJob job = {
    .attention = attention,
    .row_tiles = 1,
    .head_size = attention->width / attention->heads,
  };

  job.factor = job.head_size == NPU_TILE_HEAD_SIZE ? NPU_TILE_QUERY_FACTOR
      : (float) (M_LOG2E / sqrt (job.head_size));
  for (uint32_t i = 0; i < operation->batch; i++) {
    uint32_t tiles = npu_emu_tiles (attention->items[i].input.rows);

    if (tiles > job.row_tiles)
      job.row_tiles = tiles;
  }
  npu_emu_array_run (run->device, attention_tile, &job,
      operation->batch * attention->heads * job.row_tiles);
}
