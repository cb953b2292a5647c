/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The dispatch of operations, what the array has no kernel for, and those that
 * are products, rows or tiles. Every tile is the work of one core.
 */
#include "device/emu/emu.h"
#include "device/tile.h"

/* Rows of a layer norm that make up a tile. */
#define NORM_ROWS 16

/* ------------------------------------------------------------ product */

typedef struct
{
  const NpuEmuProduct *product;
  uint32_t row_tiles;           /* of the longest item */
  uint32_t column_tiles;
} ProductJob;

static NpuTileRows
gather_input (const NpuEmuPart * part, uint32_t row, uint32_t column,
    NpuEmuTileRow * copy)
{
  uint32_t rows = part->input.rows, columns = part->input.columns;

  if (!part->input_floats)
    return npu_emu_gather (&part->input, row, column, copy);
  memset (copy, 0, sizeof (NpuEmuTile));
  for (uint32_t r = row; r < rows && r - row < NPU_TILE_SIDE; r++) {
    const float *from = part->input_floats + (size_t) r * columns;

    for (uint32_t c = column; c < columns && c - column < NPU_TILE_SIDE; c++)
      copy[r - row][c - column] = npu_float_to_bf16 (from[c]);
  }
  return (NpuTileRows) { copy[0], NPU_TILE_SIDE };
}

static void
product_tile (const void *user, NpuEmuCore * core, uint32_t tile)
{
  const ProductJob *job = user;
  const NpuEmuProduct *product = job->product;
  const NpuEmuTensor *weight = product->weight;
  uint32_t column = tile % job->column_tiles * NPU_TILE_SIDE;
  uint32_t row = tile / job->column_tiles % job->row_tiles * NPU_TILE_SIDE;
  NpuTileEpilogue epilogue = {.gelu = product->gelu };
  NpuEmuPart part;

  product->part (product->user, tile / job->column_tiles / job->row_tiles,
      &part);
  if (row >= part.input.rows)
    return;
  memset (&core->accumulators, 0, sizeof (core->accumulators));
  for (uint32_t k = 0; k < part.input.columns; k += NPU_TILE_SIDE) {
    NpuTileRows weights = { weight->values + column * weight->stride + k,
      weight->stride
    };

    npu_tile_gemm_bf16 (gather_input (&part, row, k, core->a), weights,
        &core->accumulators);
  }
  if (product->bias)
    epilogue.bias = product->bias + column;
  if (part.residual.values)
    epilogue.residual = npu_emu_gather (&part.residual, row, column, core->b);
  npu_tile_epilogue_bf16 (&core->accumulators, &epilogue, core->result[0],
      NPU_TILE_SIDE);
  npu_emu_scatter (core->result, part.output + row * part.output_stride
      + column, part.output_stride, part.input.rows - row,
      weight->rows - column);
}

void
npu_emu_product (const NpuEmuRun * run, const NpuEmuProduct * product)
{
  ProductJob job = { product, 1, npu_emu_tiles (product->weight->rows) };

  for (uint32_t i = 0; i < product->parts; i++) {
    NpuEmuPart part;
    uint32_t tiles;

    product->part (product->user, i, &part);
    tiles = npu_emu_tiles (part.input.rows);
    if (tiles > job.row_tiles)
      job.row_tiles = tiles;
  }
  npu_emu_array_run (run->device, product_tile, &job,
      product->parts * job.row_tiles * job.column_tiles);
}

/* --------------------------------------------------------------- gemm */

typedef struct
{
  const NpuGemmOperation *gemm;
  const NpuEmuTensor *weight;
} GemmJob;

static void
gemm_part (const void *user, uint32_t index, NpuEmuPart * part)
{
  const GemmJob *job = user;
  const NpuGemmOperation *gemm = job->gemm;
  uint32_t inputs = job->weight->columns, outputs = job->weight->rows;

  *part = (NpuEmuPart) {
    .input = npu_emu_rows (&gemm->input[index], inputs),
    .output = npu_emu_view (&gemm->output[index]),
    .output_stride = npu_emu_stride (outputs),
  };
  if (gemm->input_rows)
    part->input_floats = npu_emu_view (&gemm->input[index]);
  if (gemm->residual)
    part->residual = npu_emu_rows (&gemm->residual[index], outputs);
}

static void
run_gemm (const NpuEmuRun * run, const NpuOperation * operation)
{
  const NpuGemmOperation *gemm = &operation->gemm;
  GemmJob job = { gemm, npu_emu_tensor (run, gemm->weight) };
  NpuEmuProduct product = {
    .weight = job.weight,
    .gelu = gemm->gelu,
    .parts = operation->batch,
    .part = gemm_part,
    .user = &job,
  };

  if (gemm->bias != NPU_NO_TENSOR)
    product.bias = npu_emu_tensor (run, gemm->bias)->floats;
  npu_emu_product (run, &product);
}

/* --------------------------------------------------------- layer norm */

typedef struct
{
  const NpuEmuRun *run;
  const NpuOperation *operation;
  uint32_t item_tiles;          /* of the longest item */
} ItemJob;

static void
layer_norm_tile (const void *user, NpuEmuCore * core, uint32_t tile)
{
  const ItemJob *job = user;
  const NpuLayerNormOperation *norm = &job->operation->layer_norm;
  uint32_t item = tile / job->item_tiles, width = norm->width;
  uint32_t first = tile % job->item_tiles * NORM_ROWS;
  NpuEmuRows input = npu_emu_rows (&norm->input[item], width);
  void *output = npu_emu_view (&norm->output[item]);
  const uint16_t *scale = npu_emu_tensor (job->run, norm->scale)->values;
  const uint16_t *shift = npu_emu_tensor (job->run, norm->shift)->values;

  for (uint32_t r = first; r < input.rows && r - first < NORM_ROWS; r++) {
    uint16_t *result = norm->output_rows ? core->result[0]
        : (uint16_t *) output + r * input.stride;
    float *floats = (float *) output + (size_t) r * width;

    npu_tile_layer_norm_bf16 (width, input.values + r * input.stride, scale,
        shift, result);
    for (uint32_t i = 0; norm->output_rows && i < width; i++)
      floats[i] = npu_bf16_to_float (result[i]);
  }
}

static uint32_t
layer_norm_tiles (const NpuOperation * operation, uint32_t item)
{
  return (operation->layer_norm.input[item].rows - 1) / NORM_ROWS + 1;
}

/* -------------------------------------------------------------- tiles */

static void
run_tile (const void *user, NpuEmuCore * core, uint32_t tile)
{
  const ItemJob *job = user;
  const NpuTileOperation *operation = &job->operation->tile;
  uint32_t item = tile / job->item_tiles, number = tile % job->item_tiles;
  NpuTileKernel kernel = operation->kernel;

  if (number >= operation->input[item].rows)
    return;
  npu_tile_run (kernel, (const char *) npu_emu_view (&operation->input[item])
      + number * npu_tile_input_size (kernel),
      (char *) npu_emu_view (&operation->output[item])
      + number * npu_tile_output_size (kernel), 1);
}

static uint32_t
tile_tiles (const NpuOperation * operation, uint32_t item)
{
  return operation->tile.input[item].rows;
}

/* ----------------------------------------------------------- dispatch */

static void
run_items (ItemJob * job, NpuEmuTileFunc func,
    uint32_t (*tiles) (const NpuOperation * operation, uint32_t item))
{
  for (uint32_t i = 0; i < job->operation->batch; i++) {
    uint32_t count = tiles (job->operation, i);

    if (count > job->item_tiles)
      job->item_tiles = count;
  }
  npu_emu_array_run (job->run->device, func, job,
      job->operation->batch * job->item_tiles);
}

void
npu_emu_operation (const NpuEmuRun * run, const NpuOperation * operation)
{
  ItemJob job = { run, operation, 1 };

  switch (operation->type) {
    case NPU_OPERATION_CONV1D_STEM:
      npu_emu_stem (run, operation);
      break;
    case NPU_OPERATION_LAYER_NORM:
      run_items (&job, layer_norm_tile, layer_norm_tiles);
      break;
    case NPU_OPERATION_GEMM:
      run_gemm (run, operation);
      break;
    case NPU_OPERATION_ATTENTION:
      npu_emu_attention (run, operation);
      break;
    case NPU_OPERATION_TILE:
      run_items (&job, run_tile, tile_tiles);
      break;
    default:                   /* refused when it was submitted */
      break;
  }
}

const NpuView *
npu_emu_operation_output (const NpuOperation * operation)
{
  switch (operation->type) {
    case NPU_OPERATION_CONV1D_STEM:
      return &operation->stem.items[0].output;
    case NPU_OPERATION_LAYER_NORM:
      return &operation->layer_norm.output[0];
    case NPU_OPERATION_GEMM:
      return &operation->gemm.output[0];
    case NPU_OPERATION_ATTENTION:
      return &operation->attention.items[0].output;
    default:
      return &operation->tile.output[0];
  }
}

/* -------------------------------------------------------------- limits */

static NpuStatus
check_attention (size_t index, const NpuAttentionOperation * attention,
    NpuError * error)
{
  uint32_t head_size = attention->width / attention->heads;

  if (attention->form != NPU_ATTENTION_FULL)
    return npu_error_set (error, NPU_ENOTSUP, "operation %zu (attention), "
        "form: the emulated NPU has the full form only; use the cpu device for "
        "others", index);
  if (head_size > NPU_TILE_HEAD_SIZE)
    return npu_error_set (error, NPU_ENOTSUP, "operation %zu (attention), "
        "heads: head size %u, the emulated NPU's tiles have at most %d; use "
        "the cpu device", index, head_size, NPU_TILE_HEAD_SIZE);
  return NPU_OK;
}

static NpuStatus
check_layer_norm (size_t index, const NpuLayerNormOperation * norm,
    NpuError * error)
{
  if (norm->width % NPU_EMU_NORM_WIDTH_STEP == 0
      && norm->width <= NPU_EMU_NORM_WIDTH_MAX)
    return NPU_OK;
  return npu_error_set (error, NPU_ENOTSUP, "operation %zu (layer_norm), "
      "width: %u, the emulated NPU has multiples of %d up to %d; use the cpu "
      "device", index, norm->width, NPU_EMU_NORM_WIDTH_STEP,
      NPU_EMU_NORM_WIDTH_MAX);
}

NpuStatus
npu_emu_operations_check (const NpuOperation * operations, size_t count,
    NpuError * error)
{
  NpuStatus status = NPU_OK;

  for (size_t i = 0; i < count && status == NPU_OK; i++) {
    if (operations[i].type == NPU_OPERATION_ATTENTION)
      status = check_attention (i, &operations[i].attention, error);
    else if (operations[i].type == NPU_OPERATION_LAYER_NORM)
      status = check_layer_norm (i, &operations[i].layer_norm, error);
  }
  return status;
}
