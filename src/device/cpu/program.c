/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs of the cpu device: all tensors in one allocation, matrices packed
 * in panels. Tensors are read by blocks of rows on all threads, so that no
 * tensor ever lies in memory twice.
 */
#include "device/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TENSOR_ALIGNMENT 64
/* From here on, weights lie on huge pages where the system has them. */
#define HUGE_PAGE ((size_t) 2 << 20)
/* Tables are read in blocks of about so many bytes. */
#define TABLE_BLOCK ((size_t) 1 << 20)

static NpuWeightType
weight_type (NpuPrecision precision)
{
  switch (precision) {
    case NPU_PRECISION_BF16:
      return NPU_WEIGHT_BF16;
    case NPU_PRECISION_INT8:
      return NPU_WEIGHT_INT8;
    default:
      return NPU_WEIGHT_FLOAT32;
  }
}

static bool
is_matrix (NpuTensorKind kind)
{
  return kind == NPU_TENSOR_MATRIX || kind == NPU_TENSOR_EMBEDDING;
}

/* Takes @bytes from *@total on; returns where, or SIZE_MAX on overflow. */
static size_t
reserve (size_t * total, size_t bytes)
{
  size_t at = *total;

  if (bytes == 0 || bytes > SIZE_MAX - HUGE_PAGE
      || __builtin_add_overflow (at,
          (bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT,
          total))
    return SIZE_MAX;
  return at;
}

static size_t
padded_floats (size_t count)
{
  count += (NPU_PANEL_GROUP - count % NPU_PANEL_GROUP) % NPU_PANEL_GROUP;
  return count * sizeof (float);
}

typedef struct
{
  size_t data;                  /* offsets into the program's memory */
  size_t scales;
} Place;

static bool
place_tensor (const NpuTensorDescription * description, NpuWeightType type,
    size_t * total, Place * place)
{
  size_t bytes;

  if (is_matrix (description->kind)) {
    place->data = reserve (total, npu_matrix_panel_bytes (type,
            description->rows, description->columns));
    place->scales = reserve (total, padded_floats (description->rows));
    return place->data != SIZE_MAX && place->scales != SIZE_MAX;
  }
  if (__builtin_mul_overflow ((size_t) description->rows,
          (size_t) description->columns * sizeof (float), &bytes)
      || bytes > SIZE_MAX - NPU_PANEL_GROUP * sizeof (float))
    return false;
  /* Kernels may read vectors by whole panels. */
  place->data = reserve (total, bytes + NPU_PANEL_GROUP * sizeof (float));
  return place->data != SIZE_MAX;
}

static void
set_tensor (NpuCpuTensor * tensor, const NpuTensorDescription * description,
    NpuWeightType type, char *memory, const Place * place)
{
  tensor->kind = description->kind;
  tensor->columns = description->columns;
  if (is_matrix (description->kind)) {
    tensor->matrix.type = type;
    tensor->matrix.outputs = description->rows;
    tensor->matrix.inputs = description->columns;
    tensor->matrix.panels = memory + place->data;
    if (type == NPU_WEIGHT_INT8)
      tensor->matrix.scales = (float *) (memory + place->scales);
  } else {
    tensor->values = (float *) (memory + place->data);
  }
}

static size_t
columns_blocks (size_t columns)
{
  return (columns + NPU_GEMM_COLUMNS - 1) / NPU_GEMM_COLUMNS;
}

/* Room for the ranks of the largest matrix that can be a vocabulary. */
static NpuCpuRanks *
create_ranks (const NpuProgramSource * source)
{
  size_t rows = 1;

  for (uint32_t i = 0; i < source->tensors; i++)
    if (is_matrix (source->descriptions[i].kind)
        && source->descriptions[i].rows > rows)
      rows = source->descriptions[i].rows;
  return calloc (columns_blocks (rows) * NPU_CPU_VOCABULARY_ITEMS,
      sizeof (NpuCpuRanks));
}

static void *
allocate_weights (size_t bytes)
{
  size_t alignment = bytes < HUGE_PAGE ? TENSOR_ALIGNMENT : HUGE_PAGE;
  void *memory;

  if (posix_memalign (&memory, alignment, bytes) != 0)
    return NULL;
  /* Advice only; the system may not know it. */
  if (alignment == HUGE_PAGE)
    madvise (memory, bytes, MADV_HUGEPAGE);
  return memory;
}

void
npu_cpu_program_destroy (NpuProgram * base)
{
  NpuCpuProgram *program = (NpuCpuProgram *) base;

  free (program->ranks);
  free (program->tensors);
  free (program->memory);
  free (program);
}

static NpuStatus
allocate_tensors (NpuCpuProgram * program, const NpuProgramSource * source,
    NpuWeightType type, NpuError * error)
{
  Place *places = calloc (source->tensors, sizeof (*places));
  size_t total = 0;

  program->tensors = calloc (source->tensors, sizeof (*program->tensors));
  program->ranks = create_ranks (source);
  if (!places || !program->tensors || !program->ranks)
    goto no_memory;
  for (uint32_t i = 0; i < source->tensors; i++)
    if (!place_tensor (&source->descriptions[i], type, &total, &places[i]))
      goto no_memory;
  program->memory = allocate_weights (total);
  if (!program->memory)
    goto no_memory;
  for (uint32_t i = 0; i < source->tensors; i++)
    set_tensor (&program->tensors[i], &source->descriptions[i], type,
        program->memory, &places[i]);
  program->base.bytes = total;
  free (places);
  return NPU_OK;

no_memory:
  free (places);
  return npu_error_set (error, NPU_ENOMEM, "cpu device: no memory for weights "
      "of %zu bytes; a smaller model or a lower precision needs less", total);
}

/* ----------------------------------------------------------- reading */

typedef struct
{
  const NpuProgramSource *source;
  uint32_t index;
  uint32_t rows;                /* of the tensor */
  uint32_t block_rows;
  const NpuCpuTensor *tensor;
  float **blocks;               /* one per thread: rows on their way */
  atomic_int status;            /* of the first read that failed */
} Reading;

static void
read_block (void *user, uint32_t chunk, uint32_t worker)
{
  Reading *reading = user;
  const NpuCpuTensor *tensor = reading->tensor;
  uint32_t first = chunk * reading->block_rows;
  uint32_t left = reading->rows - first;
  uint32_t rows = left < reading->block_rows ? left : reading->block_rows;
  float *out = is_matrix (tensor->kind) ? reading->blocks[worker]
      : tensor->values + (size_t) first * tensor->columns;
  int expected = NPU_OK;
  NpuStatus status;

  if (atomic_load (&reading->status) != NPU_OK)
    return;
  status = reading->source->read (reading->source->user, reading->index, first,
      rows, out);
  if (status != NPU_OK)
    atomic_compare_exchange_strong (&reading->status, &expected, (int) status);
  else if (is_matrix (tensor->kind))
    npu_matrix_pack (&tensor->matrix, first, rows, out);
}

static NpuStatus
read_tensor (NpuCpuDevice * device, Reading * reading, NpuError * error)
{
  const NpuTensorDescription *description =
      &reading->source->descriptions[reading->index];
  size_t row_bytes = (size_t) description->columns * sizeof (float);
  NpuStatus status;

  reading->rows = description->rows;
  if (is_matrix (description->kind))
    reading->block_rows = NPU_PANEL_GROUP;
  else
    reading->block_rows = row_bytes < TABLE_BLOCK
        ? (uint32_t) (TABLE_BLOCK / row_bytes) : 1;
  npu_pool_acquire (device->pool);
  npu_pool_run (device->pool, (reading->rows - 1) / reading->block_rows + 1,
      read_block, reading);
  npu_pool_release (device->pool);
  status = (NpuStatus) atomic_load (&reading->status);
  if (status != NPU_OK)
    npu_error_set (error, status, "reading tensor %u (%.128s) failed: %s",
        reading->index, description->name ? description->name : "unnamed",
        npu_status_name (status));
  return status;
}

static void
free_blocks (float **blocks, uint32_t threads)
{
  for (uint32_t i = 0; blocks && i < threads; i++)
    free (blocks[i]);
  free (blocks);
}

static float **
create_blocks (const NpuProgramSource * source, uint32_t threads)
{
  float **blocks = calloc (threads, sizeof (*blocks));
  size_t columns = 1;

  for (uint32_t i = 0; i < source->tensors; i++)
    if (is_matrix (source->descriptions[i].kind)
        && source->descriptions[i].columns > columns)
      columns = source->descriptions[i].columns;
  for (uint32_t i = 0; blocks && i < threads; i++) {
    blocks[i] = calloc (columns, NPU_PANEL_GROUP * sizeof (float));
    if (!blocks[i]) {
      free_blocks (blocks, threads);
      return NULL;
    }
  }
  return blocks;
}

static NpuStatus
read_tensors (NpuCpuDevice * device, NpuCpuProgram * program,
    const NpuProgramSource * source, NpuError * error)
{
  uint32_t threads = device->base.info.threads;
  Reading reading = {.source = source };
  NpuStatus status = NPU_OK;

  reading.blocks = create_blocks (source, threads);
  if (!reading.blocks)
    return npu_error_set (error, NPU_ENOMEM,
        "cpu device: no memory to read weights");
  atomic_init (&reading.status, NPU_OK);
  for (uint32_t i = 0; i < source->tensors && status == NPU_OK; i++) {
    reading.index = i;
    reading.tensor = &program->tensors[i];
    status = read_tensor (device, &reading, error);
  }
  free_blocks (reading.blocks, threads);
  return status;
}

NpuStatus
npu_cpu_program_load (NpuDevice * device, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** loaded, NpuError * error)
{
  NpuCpuProgram *program = calloc (1, sizeof (*program));
  NpuStatus status;

  if (!program)
    return npu_error_set (error, NPU_ENOMEM, "cpu device: out of memory");
  status = allocate_tensors (program, source, weight_type (precision), error);
  if (status == NPU_OK)
    status = read_tensors ((NpuCpuDevice *) device, program, source, error);
  if (status != NPU_OK) {
    npu_cpu_program_destroy (&program->base);
    return status;
  }
  *loaded = &program->base;
  return NPU_OK;
}
