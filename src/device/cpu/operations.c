/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The dispatch of operations, and those that work row by row (layer norm,
 * storing into a cache, embedding) or tile by tile.
 */
#include "device/cpu/cpu.h"
#include "device/tile.h"

/* Rows that a chunk covers. */
#define CHUNK_ROWS 32
/* Bytes of input tiles that a chunk covers: one tile of attention, some thirty
 * of the smallest, either way some tens of microseconds. */
#define CHUNK_TILE_BYTES 16384

/* Rows of all items, cut into chunks that lie within one item. */
typedef struct
{
  const NpuCpuRun *run;
  const NpuOperation *operation;
  uint32_t chunk_rows;
  uint32_t item_chunks;         /* of the longest item */
  void (*row) (const NpuCpuRun * run, const NpuOperation * operation,
      uint32_t item, uint32_t row);
  uint32_t (*rows) (const NpuOperation * operation, uint32_t item);
} RowJob;

static void
row_chunk (void *user, uint32_t chunk, uint32_t worker)
{
  const RowJob *job = user;
  uint32_t item = chunk / job->item_chunks;
  uint32_t first = chunk % job->item_chunks * job->chunk_rows;
  uint32_t rows = job->rows (job->operation, item);

  if (rows > first && rows - first > job->chunk_rows)
    rows = first + job->chunk_rows;
  for (uint32_t row = first; row < rows; row++)
    job->row (job->run, job->operation, item, row);
}

static void
run_rows (RowJob * job)
{
  uint32_t most = 1;

  for (uint32_t i = 0; i < job->operation->batch; i++) {
    uint32_t rows = job->rows (job->operation, i);

    if (rows > most)
      most = rows;
  }
  job->item_chunks = (most - 1) / job->chunk_rows + 1;
  npu_pool_run (job->run->device->pool,
      job->operation->batch * job->item_chunks, row_chunk, job);
}

/* -------------------------------------------------------- layer norm */

static uint32_t
layer_norm_rows (const NpuOperation * operation, uint32_t item)
{
  return operation->layer_norm.input[item].rows;
}

static void
layer_norm_row (const NpuCpuRun * run, const NpuOperation * operation,
    uint32_t item, uint32_t row)
{
  const NpuLayerNormOperation *norm = &operation->layer_norm;
  NpuLayerNormArgs args = {
    .width = norm->width,
    .scale = npu_cpu_tensor (run, norm->scale)->values,
    .shift = npu_cpu_tensor (run, norm->shift)->values,
  };
  size_t stride = npu_cpu_stride (norm->width);

  run->device->kernels.layer_norm (&args,
      npu_cpu_view (&norm->input[item]) + row * stride,
      npu_cpu_view (&norm->output[item])
      + row * (norm->output_rows ? norm->width : stride));
}

/* ------------------------------------------------------- cache store */

static uint32_t
cache_store_rows (const NpuOperation * operation, uint32_t item)
{
  return operation->cache_store.input[item].rows;
}

static void
cache_store_row (const NpuCpuRun * run, const NpuOperation * operation,
    uint32_t item, uint32_t row)
{
  const NpuCacheStoreOperation *store = &operation->cache_store;
  NpuCache cache = npu_cpu_cache (&store->output[item], store->width);
  const float *keys = npu_cpu_view (&store->input[item])
      + row * npu_cpu_stride (2 * (size_t) store->width);

  npu_cache_store (&cache, row, keys, keys + store->width);
}

/* ------------------------------------------------------------- embed */

static uint32_t
embed_rows (const NpuOperation * operation, uint32_t item)
{
  return operation->embed.items[item].output.rows;
}

static void
embed_row (const NpuCpuRun * run, const NpuOperation * operation,
    uint32_t index, uint32_t row)
{
  const NpuEmbedOperation *embed = &operation->embed;
  const NpuEmbedItem *item = &embed->items[index];
  const float *position = npu_cpu_tensor (run, embed->positions)->values
      + ((size_t) item->position + row) * embed->width;
  float *output = npu_cpu_view (&item->output)
      + row * npu_cpu_stride (embed->width);

  npu_matrix_row (&npu_cpu_tensor (run, embed->embedding)->matrix,
      (size_t) item->tokens[row], output);
  for (uint32_t i = 0; i < embed->width; i++)
    output[i] += position[i];
}

static NpuStatus
check_tokens (const NpuCpuRun * run, const NpuOperation * operation)
{
  const NpuEmbedOperation *embed = &operation->embed;
  size_t tokens = npu_cpu_tensor (run, embed->embedding)->matrix.outputs;

  for (uint32_t i = 0; i < operation->batch; i++)
    for (uint32_t row = 0; row < embed_rows (operation, i); row++) {
      int32_t token = embed->items[i].tokens[row];

      if (token < 0 || (size_t) token >= tokens)
        return npu_error_set (run->error, NPU_EINVAL,
            "embed: token %d is outside the vocabulary of %zu", token, tokens);
    }
  return NPU_OK;
}

/* ------------------------------------------------------------- tiles */

static uint32_t
tile_rows (const NpuOperation * operation, uint32_t item)
{
  return operation->tile.input[item].rows;
}

static void
tile_row (const NpuCpuRun * run, const NpuOperation * operation,
    uint32_t item, uint32_t row)
{
  const NpuTileOperation *tile = &operation->tile;
  NpuTileKernel kernel = tile->kernel;
  const char *input = (const char *) npu_cpu_view (&tile->input[item]);
  char *output = (char *) npu_cpu_view (&tile->output[item]);

  npu_tile_run (kernel, input + row * npu_tile_input_size (kernel),
      output + row * npu_tile_output_size (kernel), 1);
}

NpuStatus
npu_cpu_operation (const NpuCpuRun * run, const NpuOperation * operation)
{
  RowJob job = {.run = run,.operation = operation,.chunk_rows = CHUNK_ROWS };
  NpuStatus status;

  switch (operation->type) {
    case NPU_OPERATION_CONV1D_STEM:
      npu_cpu_stem (run, operation);
      return NPU_OK;
    case NPU_OPERATION_GEMM:
      npu_cpu_gemm_operation (run, operation);
      return NPU_OK;
    case NPU_OPERATION_ATTENTION:
      npu_cpu_attention (run, operation);
      return NPU_OK;
    case NPU_OPERATION_VOCABULARY_TOP_K:
      npu_cpu_vocabulary (run, operation);
      return NPU_OK;
    case NPU_OPERATION_LAYER_NORM:
      job.row = layer_norm_row;
      job.rows = layer_norm_rows;
      break;
    case NPU_OPERATION_CACHE_STORE:
      job.row = cache_store_row;
      job.rows = cache_store_rows;
      break;
    case NPU_OPERATION_EMBED:
      status = check_tokens (run, operation);
      if (status != NPU_OK)
        return status;
      job.row = embed_row;
      job.rows = embed_rows;
      break;
    case NPU_OPERATION_TILE:
      job.row = tile_row;
      job.rows = tile_rows;
      job.chunk_rows = (uint32_t) (CHUNK_TILE_BYTES
          / npu_tile_input_size (operation->tile.kernel)) + 1;
      break;
    default:
      return npu_error_set (run->error, NPU_ENOTSUP,
          "cpu device: unknown operation %d", (int) operation->type);
  }
  run_rows (&job);
  return NPU_OK;
}
