/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The three forms of attention, cut into chunks by item, head and rows.
 */
#include "device/cpu/cpu.h"

typedef struct
{
  const NpuCpuRun *run;
  const NpuAttentionOperation *attention;
  uint32_t row_chunks;          /* of the longest item */
  uint32_t chunk_rows;
} AttentionJob;

/* Returns where the probabilities of @head go, NULL if nobody wants them. */
static float *
head_probabilities (const NpuAttentionOperation * attention,
    const NpuAttentionItem * item, uint32_t head)
{
  if (!item->probabilities.buffer)
    return NULL;
  for (uint32_t i = 0; i < attention->chosen_count; i++)
    if (attention->chosen_heads[i] == head)
      return npu_cpu_view (&item->probabilities)
          + (size_t) i * item->input.rows * item->keys;
  return NULL;
}

static void
fill_args (const NpuAttentionOperation * attention,
    const NpuAttentionItem * item, uint32_t head, NpuAttentionArgs * args)
{
  uint32_t width = attention->width;
  uint32_t input_width = attention->form == NPU_ATTENTION_CROSS
      ? width : 3 * width;

  *args = (NpuAttentionArgs) {
    .query = npu_cpu_view (&item->input),
    .query_stride = npu_cpu_stride (input_width),
    .output = npu_cpu_view (&item->output),
    .output_stride = npu_cpu_stride (width),
    .head_size = width / attention->heads,
  };
  switch (attention->form) {
    case NPU_ATTENTION_FULL:
      args->keys = args->query + width;
      args->values = args->keys + width;
      args->keys_stride = args->query_stride;
      args->visible = item->input.rows;
      break;
    case NPU_ATTENTION_CAUSAL:
      args->cache = npu_cpu_cache (&item->cache, width);
      args->visible = (size_t) item->position + 1;
      args->visible_step = 1;
      break;
    case NPU_ATTENTION_CROSS:
      args->cache = npu_cpu_cache (&item->cache, width);
      args->visible = item->keys;
      args->probabilities = head_probabilities (attention, item, head);
      args->probabilities_stride = item->keys;
      break;
  }
}

static void
attention_chunk (void *user, uint32_t chunk, uint32_t worker)
{
  const AttentionJob *job = user;
  const NpuAttentionOperation *attention = job->attention;
  NpuCpuDevice *device = job->run->device;
  uint32_t first = chunk % job->row_chunks * job->chunk_rows;
  uint32_t head = chunk / job->row_chunks % attention->heads;
  const NpuAttentionItem *item =
      &attention->items[chunk / job->row_chunks / attention->heads];
  NpuAttentionArgs args;
  uint32_t rows;

  if (first >= item->input.rows)
    return;
  rows = item->input.rows - first;
  if (rows > job->chunk_rows)
    rows = job->chunk_rows;
  fill_args (attention, item, head, &args);
  if (attention->form == NPU_ATTENTION_FULL)
    device->kernels.attention (&args, head, first, rows,
        device->scratch[worker].kernel);
  else
    device->kernels.attention_cached (&args, head, first, rows,
        device->scratch[worker].kernel);
}

static void
append_to_cache (const NpuAttentionItem * item, uint32_t width)
{
  NpuCache cache = npu_cpu_cache (&item->cache, width);
  size_t stride = npu_cpu_stride (3 * width);
  const float *keys = npu_cpu_view (&item->input) + width;

  for (uint32_t row = 0; row < item->input.rows; row++)
    npu_cache_store (&cache, item->position + row, keys + row * stride,
        keys + row * stride + width);
}

void
npu_cpu_attention (const NpuCpuRun * run, const NpuOperation * operation)
{
  const NpuAttentionOperation *attention = &operation->attention;
  AttentionJob job = {.run = run,.attention = attention };
  uint32_t most_rows = 0;

  for (uint32_t i = 0; i < operation->batch; i++) {
    const NpuAttentionItem *item = &attention->items[i];

    if (attention->form == NPU_ATTENTION_CAUSAL)
      append_to_cache (item, attention->width);
    if (item->input.rows > most_rows)
      most_rows = item->input.rows;
  }
  job.row_chunks = (most_rows - 1) / NPU_ATTENTION_ROWS + 1;
  job.chunk_rows = (most_rows - 1) / job.row_chunks + 1;
  npu_pool_run (run->device->pool,
      operation->batch * attention->heads * job.row_chunks, attention_chunk,
      &job);
}
