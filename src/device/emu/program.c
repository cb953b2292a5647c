/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs of the emulated NPU: all tensors in one allocation, converted to
 * bf16 and padded to whole tiles with zeros. Reading is in blocks of rows, so
 * that no matrix ever lies in memory as float32.
 */
#include "device/emu/emu.h"

#include <stdlib.h>

#define TENSOR_ALIGNMENT ((size_t) 64)

/* Takes @bytes from *@total on; returns where, or SIZE_MAX on overflow. */
static size_t
reserve (size_t * total, size_t bytes)
{
  size_t at = *total;

  if (bytes > SIZE_MAX - TENSOR_ALIGNMENT
      || __builtin_add_overflow (at,
          (bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT,
          total))
    return SIZE_MAX;
  return at;
}

typedef struct
{
  size_t values;                /* offsets into the program's memory */
  size_t floats;
} Place;

static bool
place_tensor (const NpuTensorDescription * description, size_t * total,
    Place * place)
{
  size_t stride = npu_emu_stride (description->columns);
  size_t rows = description->rows, bytes;

  if (description->kind == NPU_TENSOR_MATRIX
      || description->kind == NPU_TENSOR_EMBEDDING)
    rows = npu_emu_stride (rows);
  if (__builtin_mul_overflow (rows, stride * sizeof (uint16_t), &bytes))
    return false;
  place->values = reserve (total, bytes);
  place->floats = 0;
  if (description->kind == NPU_TENSOR_VECTOR)
    place->floats = reserve (total, stride * sizeof (float));
  return place->values != SIZE_MAX && place->floats != SIZE_MAX;
}

static void
set_tensor (NpuEmuTensor * tensor, const NpuTensorDescription * description,
    char *memory, const Place * place)
{
  tensor->values = (uint16_t *) (memory + place->values);
  tensor->stride = npu_emu_stride (description->columns);
  if (description->kind == NPU_TENSOR_VECTOR)
    tensor->floats = (float *) (memory + place->floats);
  tensor->rows = description->rows;
  tensor->columns = description->columns;
}

static NpuStatus
allocate_tensors (NpuEmuProgram * program, const NpuProgramSource * source,
    NpuError * error)
{
  Place *places = calloc (source->tensors, sizeof (*places));
  size_t total = 0;
  bool placed = places != NULL;

  program->tensors = calloc (source->tensors, sizeof (*program->tensors));
  for (uint32_t i = 0; i < source->tensors && placed; i++)
    placed = place_tensor (&source->descriptions[i], &total, &places[i]);
  if (placed)
    program->memory = calloc (1, total);
  if (!program->tensors || !program->memory) {
    free (places);
    return npu_error_set (error, NPU_ENOMEM, "emulated NPU: no memory for "
        "weights of %zu bytes; a smaller model needs less", total);
  }
  for (uint32_t i = 0; i < source->tensors; i++)
    set_tensor (&program->tensors[i], &source->descriptions[i],
        program->memory, &places[i]);
  program->base.bytes = total;
  free (places);
  return NPU_OK;
}

/* ----------------------------------------------------------- reading */

typedef struct
{
  const NpuProgramSource *source;
  uint32_t index;
  const NpuEmuTensor *tensor;
  float *blocks;                /* for each thread, rows on their way */
  size_t block_floats;
  atomic_int status;            /* of the first read that failed */
} Reading;

static void
read_block (void *user, uint32_t chunk, uint32_t worker)
{
  Reading *reading = user;
  const NpuEmuTensor *tensor = reading->tensor;
  uint32_t first = chunk * NPU_TILE_SIDE;
  uint32_t left = tensor->rows - first;
  uint32_t rows = left < NPU_TILE_SIDE ? left : NPU_TILE_SIDE;
  float *block = reading->blocks + worker * reading->block_floats;
  int expected = NPU_OK;
  NpuStatus status;

  if (atomic_load (&reading->status) != NPU_OK)
    return;
  status = reading->source->read (reading->source->user, reading->index, first,
      rows, block);
  if (status != NPU_OK) {
    atomic_compare_exchange_strong (&reading->status, &expected, (int) status);
    return;
  }
  for (uint32_t r = 0; r < rows; r++) {
    const float *from = block + (size_t) r * tensor->columns;
    uint16_t *to = tensor->values + (first + r) * tensor->stride;

    for (uint32_t i = 0; i < tensor->columns; i++)
      to[i] = npu_float_to_bf16 (from[i]);
    if (tensor->floats)
      memcpy (tensor->floats, from, tensor->columns * sizeof (*from));
  }
}

static NpuStatus
read_tensor (NpuEmuDevice * device, Reading * reading, NpuError * error)
{
  const char *name = reading->source->descriptions[reading->index].name;
  NpuStatus status;

  npu_pool_acquire (device->pool);
  npu_pool_run (device->pool, npu_emu_tiles (reading->tensor->rows),
      read_block, reading);
  npu_pool_release (device->pool);
  status = (NpuStatus) atomic_load (&reading->status);
  if (status != NPU_OK)
    npu_error_set (error, status, "reading tensor %u (%.128s) failed: %s",
        reading->index, name ? name : "unnamed", npu_status_name (status));
  return status;
}

static NpuStatus
read_tensors (NpuEmuDevice * device, NpuEmuProgram * program,
    const NpuProgramSource * source, NpuError * error)
{
  Reading reading = {.source = source };
  NpuStatus status = NPU_OK;
  size_t columns = 1;

  for (uint32_t i = 0; i < source->tensors; i++)
    if (source->descriptions[i].columns > columns)
      columns = source->descriptions[i].columns;
  reading.block_floats = NPU_TILE_SIDE * columns;
  reading.blocks = calloc (device->base.info.threads,
      reading.block_floats * sizeof (float));
  if (!reading.blocks)
    return npu_error_set (error, NPU_ENOMEM,
        "emulated NPU: no memory to read weights");
  atomic_init (&reading.status, NPU_OK);
  for (uint32_t i = 0; i < source->tensors && status == NPU_OK; i++) {
    reading.index = i;
    reading.tensor = &program->tensors[i];
    status = read_tensor (device, &reading, error);
  }
  free (reading.blocks);
  return status;
}

NpuStatus
npu_emu_program_load (NpuDevice * base, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** loaded, NpuError * error)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;
  NpuStatus status = npu_emu_check_lost (device, error);
  NpuEmuProgram *program;

  if (status != NPU_OK)
    return status;
  program = calloc (1, sizeof (*program));
  if (!program)
    return npu_error_set (error, NPU_ENOMEM, "emulated NPU: out of memory");
  status = allocate_tensors (program, source, error);
  if (status == NPU_OK)
    status = read_tensors (device, program, source, error);
  if (status != NPU_OK) {
    npu_emu_program_destroy (&program->base);
    return status;
  }
  *loaded = &program->base;
  return NPU_OK;
}

void
npu_emu_program_destroy (NpuProgram * base)
{
  NpuEmuProgram *program = (NpuEmuProgram *) base;

  free (program->tensors);
  free (program->memory);
  free (program);
}
