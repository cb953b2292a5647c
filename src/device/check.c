/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Checks of a list of operations when it is submitted, so that no back end
 * ever works outside a buffer or on a tensor of the wrong shape. Contents of
 * memory (tokens, for one) are not looked at: they may change until the list
 * runs.
 */
#include "device/backend.h"

#include <stdarg.h>
#include <stdio.h>

#define VIEW_ALIGNMENT 64
#define HEAD_SIZE_STEP 16
#define HEAD_SIZE_MAX 256

typedef struct
{
  const NpuProgram *program;
  const NpuDevice *device;
  const NpuDeviceBackend *backend;
  const NpuOperation *operation;
  size_t index;
  NpuError *error;
} Check;

static const char *const operation_names[NPU_OPERATIONS] = {
  [NPU_OPERATION_CONV1D_STEM] = "conv1d_stem",
  [NPU_OPERATION_LAYER_NORM] = "layer_norm",
  [NPU_OPERATION_GEMM] = "gemm",
  [NPU_OPERATION_ATTENTION] = "attention",
  [NPU_OPERATION_CACHE_STORE] = "cache_store",
  [NPU_OPERATION_EMBED] = "embed",
  [NPU_OPERATION_VOCABULARY_TOP_K] = "vocabulary_top_k",
  [NPU_OPERATION_TILE] = "tile",
};

#define TRY(call) \
  do { \
    NpuStatus try_status = (call); \
    if (try_status != NPU_OK) \
      return try_status; \
  } while (0)

/* Fail with "operation 3 (gemm), field: ..." */
#define FAIL(check, field, ...) \
  fail (check, NPU_EINVAL, field, __VA_ARGS__)

static NpuStatus NPU_PRINTF (4, 5)
fail (const Check * check, NpuStatus status, const char *field,
    const char *format, ...)
{
  char reason[NPU_ERROR_LENGTH / 2];
  va_list args;

  va_start (args, format);
  vsnprintf (reason, sizeof (reason), format, args);
  va_end (args);
  return npu_error_set (check->error, status, "operation %zu (%s), %s: %s",
      check->index, operation_names[check->operation->type], field, reason);
}

/* ------------------------------------------------------------- views */

/* @needed is 0 where the product overflowed. */
static NpuStatus
check_range (const Check * check, const char *field, const NpuView * view,
    size_t needed)
{
  if (!view->buffer)
    return FAIL (check, field, "the view has no buffer");
  if (view->buffer->device != check->device)
    return FAIL (check, field, "the buffer belongs to another device");
  if (view->offset % VIEW_ALIGNMENT)
    return FAIL (check, field, "offset %zu is no multiple of %d",
        view->offset, VIEW_ALIGNMENT);
  if (view->rows == 0)
    return FAIL (check, field, "the view has no rows");
  if (needed == 0 || view->offset > view->buffer->size
      || needed > view->buffer->size - view->offset)
    return FAIL (check, field, "%u rows need %zu bytes from offset %zu, the "
        "buffer has %zu", view->rows, needed, view->offset, view->buffer->size);
  return NPU_OK;
}

static NpuStatus
check_activations (const Check * check, const char *field,
    const NpuView * view, uint64_t width)
{
  if (width > UINT32_MAX)
    return FAIL (check, field, "width %llu is too large",
        (unsigned long long) width);
  return check_range (check, field, view,
      check->backend->activation_size (check->device, view->rows,
          (uint32_t) width));
}

static NpuStatus
check_rows (const Check * check, const char *field, const NpuView * view,
    size_t width)
{
  size_t needed = 0;

  if (__builtin_mul_overflow (width, (size_t) view->rows, &needed)
      || __builtin_mul_overflow (needed, sizeof (float), &needed))
    needed = 0;
  return check_range (check, field, view, needed);
}

static NpuStatus
check_cache (const Check * check, const char *field, const NpuView * view,
    uint32_t width)
{
  return check_range (check, field, view,
      check->backend->cache_size (check->device, view->rows, width));
}

static NpuStatus
check_same_rows (const Check * check, const char *field, const NpuView * view,
    const NpuView * input)
{
  if (view->rows != input->rows)
    return FAIL (check, field, "%u rows, the input has %u", view->rows,
        input->rows);
  return NPU_OK;
}

static NpuStatus
check_apart (const Check * check, const NpuView * input, size_t input_size,
    const NpuView * output, size_t output_size)
{
  if (input->buffer == output->buffer
      && input->offset < output->offset + output_size
      && output->offset < input->offset + input_size)
    return FAIL (check, "output", "it overlaps the input");
  return NPU_OK;
}

/* ----------------------------------------------------------- tensors */

#define ANY_SIZE 0

static NpuStatus
check_tensor (const Check * check, const char *field, uint32_t tensor,
    uint32_t kinds, NpuTensorShape wanted)
{
  const NpuTensorShape *shape;

  if (!check->program)
    return FAIL (check, field, "the list has no program");
  if (tensor >= check->program->tensors)
    return FAIL (check, field, "there is no tensor %u, the program has %u",
        tensor, check->program->tensors);
  shape = &check->program->shapes[tensor];
  if (!(kinds & 1u << shape->kind))
    return FAIL (check, field, "tensor %u is of the wrong kind (%d)", tensor,
        (int) shape->kind);
  if ((wanted.rows != ANY_SIZE && shape->rows != wanted.rows)
      || (wanted.columns != ANY_SIZE && shape->columns != wanted.columns))
    return FAIL (check, field, "tensor %u is %u x %u, %u x %u is needed",
        tensor, shape->rows, shape->columns,
        wanted.rows == ANY_SIZE ? shape->rows : wanted.rows,
        wanted.columns == ANY_SIZE ? shape->columns : wanted.columns);
  return NPU_OK;
}

static NpuStatus
check_matrix (const Check * check, const char *field, uint32_t tensor,
    uint32_t rows, uint32_t columns)
{
  return check_tensor (check, field, tensor,
      1u << NPU_TENSOR_MATRIX | 1u << NPU_TENSOR_EMBEDDING,
      (NpuTensorShape) {.rows = rows,.columns = columns});
}

static NpuStatus
check_vector (const Check * check, const char *field, uint32_t tensor,
    uint32_t columns)
{
  return check_tensor (check, field, tensor, 1u << NPU_TENSOR_VECTOR,
      (NpuTensorShape) {.rows = 1,.columns = columns});
}

static NpuStatus
check_table (const Check * check, const char *field, uint32_t tensor,
    uint64_t least_rows, uint32_t columns)
{
  TRY (check_tensor (check, field, tensor, 1u << NPU_TENSOR_TABLE,
          (NpuTensorShape) {.columns = columns}));
  if (check->program->shapes[tensor].rows < least_rows)
    return FAIL (check, field, "tensor %u has %u rows, %llu are needed",
        tensor, check->program->shapes[tensor].rows,
        (unsigned long long) least_rows);
  return NPU_OK;
}

/* -------------------------------------------------------- operations */

static NpuStatus
check_stem_item (const Check * check, const NpuStemOperation * stem,
    const NpuStemItem * item)
{
  uint64_t frames = 0;
  NpuView staged = item->staged;

  for (size_t i = 0; i < 2; i++) {
    if (item->frames[i].rows > 0)
      TRY (check_rows (check, i ? "frames[1]" : "frames[0]", &item->frames[i],
              stem->bands));
    frames += item->frames[i].rows;
  }
  TRY (check_activations (check, "output", &item->output, stem->width));
  if (frames > 2 * (uint64_t) item->output.rows)
    return FAIL (check, "frames", "%llu frames do not fit %u positions",
        (unsigned long long) frames, item->output.rows);
  staged.rows = 1;              /* scratch has no rows of its own */
  TRY (check_range (check, "staged", &staged,
          check->backend->stem_scratch_size (check->device, item->output.rows,
              stem->bands, stem->width)));
  return check_table (check, "positions", stem->positions, item->output.rows,
      stem->width);
}

static NpuStatus
check_stem (const Check * check)
{
  const NpuStemOperation *stem = &check->operation->stem;

  if (!stem->items || stem->bands == 0 || stem->width == 0
      || stem->bands > UINT32_MAX / 3 || stem->width > UINT32_MAX / 3)
    return FAIL (check, "items, bands or width", "missing or out of range");
  TRY (check_matrix (check, "conv1_weight", stem->conv1_weight, stem->width,
          3 * stem->bands));
  TRY (check_vector (check, "conv1_bias", stem->conv1_bias, stem->width));
  TRY (check_matrix (check, "conv2_weight", stem->conv2_weight, stem->width,
          3 * stem->width));
  TRY (check_vector (check, "conv2_bias", stem->conv2_bias, stem->width));
  for (uint32_t i = 0; i < check->operation->batch; i++)
    TRY (check_stem_item (check, stem, &stem->items[i]));
  return NPU_OK;
}

static NpuStatus
check_layer_norm (const Check * check)
{
  const NpuLayerNormOperation *norm = &check->operation->layer_norm;

  if (!norm->input || !norm->output || norm->width == 0)
    return FAIL (check, "input, output or width", "missing");
  TRY (check_vector (check, "scale", norm->scale, norm->width));
  TRY (check_vector (check, "shift", norm->shift, norm->width));
  for (uint32_t i = 0; i < check->operation->batch; i++) {
    TRY (check_activations (check, "input", &norm->input[i], norm->width));
    TRY (check_same_rows (check, "output", &norm->output[i], &norm->input[i]));
    if (norm->output_rows)
      TRY (check_rows (check, "output", &norm->output[i], norm->width));
    else
      TRY (check_activations (check, "output", &norm->output[i], norm->width));
  }
  return NPU_OK;
}

static NpuStatus
check_gemm_view (const Check * check, const NpuGemmOperation * gemm,
    const NpuTensorShape * weight, uint32_t item)
{
  const NpuView *input = &gemm->input[item], *output = &gemm->output[item];

  if (gemm->input_rows)
    TRY (check_rows (check, "input", input, weight->columns));
  else
    TRY (check_activations (check, "input", input, weight->columns));
  TRY (check_activations (check, "output", output, weight->rows));
  TRY (check_same_rows (check, "output", output, input));
  if (gemm->residual) {
    TRY (check_activations (check, "residual", &gemm->residual[item],
            weight->rows));
    TRY (check_same_rows (check, "residual", &gemm->residual[item], input));
  }
  return check_apart (check, input,
      gemm->input_rows ? (size_t) input->rows * weight->columns * sizeof (float)
      : check->backend->activation_size (check->device, input->rows,
          weight->columns), output,
      check->backend->activation_size (check->device, output->rows,
          weight->rows));
}

static NpuStatus
check_gemm (const Check * check)
{
  const NpuGemmOperation *gemm = &check->operation->gemm;
  const NpuTensorShape *weight;

  if (!gemm->input || !gemm->output)
    return FAIL (check, "input or output", "missing");
  TRY (check_matrix (check, "weight", gemm->weight, ANY_SIZE, ANY_SIZE));
  weight = &check->program->shapes[gemm->weight];
  if (gemm->bias != NPU_NO_TENSOR)
    TRY (check_vector (check, "bias", gemm->bias, weight->rows));
  for (uint32_t i = 0; i < check->operation->batch; i++)
    TRY (check_gemm_view (check, gemm, weight, i));
  return NPU_OK;
}

static NpuStatus
check_probabilities (const Check * check, const NpuAttentionItem * item)
{
  const NpuAttentionOperation *attention = &check->operation->attention;
  NpuView view = item->probabilities;
  size_t needed;

  if (!view.buffer)
    return NPU_OK;
  if (attention->form != NPU_ATTENTION_CROSS)
    return FAIL (check, "probabilities", "only the cross form writes them");
  if (attention->chosen_count == 0 || !attention->chosen_heads)
    return FAIL (check, "chosen_heads", "none, but probabilities are wanted");
  if (attention->chosen_count > attention->heads)
    return FAIL (check, "chosen_count", "%u of %u heads",
        attention->chosen_count, attention->heads);
  for (uint32_t i = 0; i < attention->chosen_count; i++)
    if (attention->chosen_heads[i] >= attention->heads)
      return FAIL (check, "chosen_heads", "there is no head %u",
          attention->chosen_heads[i]);
  if (__builtin_mul_overflow ((size_t) attention->chosen_count * item->keys,
          (size_t) item->input.rows * sizeof (float), &needed))
    needed = 0;
  view.rows = item->input.rows;
  return check_range (check, "probabilities", &view, needed);
}

static NpuStatus
check_attention_item (const Check * check, const NpuAttentionItem * item)
{
  const NpuAttentionOperation *attention = &check->operation->attention;
  uint64_t input_width = attention->form == NPU_ATTENTION_CROSS
      ? attention->width : 3 * (uint64_t) attention->width;

  TRY (check_activations (check, "input", &item->input, input_width));
  TRY (check_activations (check, "output", &item->output, attention->width));
  TRY (check_same_rows (check, "output", &item->output, &item->input));
  TRY (check_apart (check, &item->input,
          check->backend->activation_size (check->device, item->input.rows,
              (uint32_t) input_width), &item->output,
          check->backend->activation_size (check->device, item->output.rows,
              attention->width)));
  if (attention->form != NPU_ATTENTION_FULL)
    TRY (check_cache (check, "cache", &item->cache, attention->width));
  if (attention->form == NPU_ATTENTION_CAUSAL
      && (uint64_t) item->position + item->input.rows > item->cache.rows)
    return FAIL (check, "position", "%u rows from position %u do not fit the "
        "cache of %u", item->input.rows, item->position, item->cache.rows);
  if (attention->form == NPU_ATTENTION_CROSS
      && (item->keys == 0 || item->keys > item->cache.rows))
    return FAIL (check, "keys", "%u keys of a cache of %u", item->keys,
        item->cache.rows);
  return check_probabilities (check, item);
}

static NpuStatus
check_attention (const Check * check)
{
  const NpuAttentionOperation *attention = &check->operation->attention;
  uint32_t head_size;

  if (!attention->items || attention->heads == 0
      || attention->width % attention->heads)
    return FAIL (check, "items, width or heads", "missing, or %u heads do not "
        "divide width %u", attention->heads, attention->width);
  if ((unsigned) attention->form > NPU_ATTENTION_CROSS)
    return FAIL (check, "form", "unknown form %d", (int) attention->form);
  head_size = attention->width / attention->heads;
  if (head_size == 0 || head_size % HEAD_SIZE_STEP
      || head_size > HEAD_SIZE_MAX)
    return fail (check, NPU_ENOTSUP, "heads", "head size %u, supported are "
        "multiples of %d up to %d", head_size, HEAD_SIZE_STEP, HEAD_SIZE_MAX);
  for (uint32_t i = 0; i < check->operation->batch; i++)
    TRY (check_attention_item (check, &attention->items[i]));
  return NPU_OK;
}

static NpuStatus
check_cache_store (const Check * check)
{
  const NpuCacheStoreOperation *store = &check->operation->cache_store;

  if (!store->input || !store->output || store->width == 0
      || store->width % HEAD_SIZE_STEP)
    return FAIL (check, "input, output or width", "missing, or width %u is no "
        "multiple of %d", store->width, HEAD_SIZE_STEP);
  for (uint32_t i = 0; i < check->operation->batch; i++) {
    TRY (check_activations (check, "input", &store->input[i],
            2 * (uint64_t) store->width));
    TRY (check_cache (check, "output", &store->output[i], store->width));
    if (store->input[i].rows > store->output[i].rows)
      return FAIL (check, "output", "%u rows do not fit a cache of %u",
          store->input[i].rows, store->output[i].rows);
  }
  return NPU_OK;
}

static NpuStatus
check_embed (const Check * check)
{
  const NpuEmbedOperation *embed = &check->operation->embed;

  if (!embed->items || embed->width == 0)
    return FAIL (check, "items or width", "missing");
  TRY (check_tensor (check, "embedding", embed->embedding,
          1u << NPU_TENSOR_EMBEDDING,
          (NpuTensorShape) {.columns = embed->width}));
  for (uint32_t i = 0; i < check->operation->batch; i++) {
    const NpuEmbedItem *item = &embed->items[i];

    if (!item->tokens)
      return FAIL (check, "tokens", "missing");
    TRY (check_activations (check, "output", &item->output, embed->width));
    TRY (check_table (check, "positions", embed->positions,
            (uint64_t) item->position + item->output.rows, embed->width));
  }
  return NPU_OK;
}

static NpuStatus
check_vocabulary (const Check * check)
{
  const NpuVocabularyOperation *vocabulary = &check->operation->vocabulary;

  if (!vocabulary->items || vocabulary->width == 0)
    return FAIL (check, "items or width", "missing");
  TRY (check_matrix (check, "embedding", vocabulary->embedding, ANY_SIZE,
          vocabulary->width));
  if (vocabulary->k == 0 || vocabulary->k > NPU_TOP_K_MAX)
    return FAIL (check, "k", "%u is not in 1 ... %d", vocabulary->k,
        NPU_TOP_K_MAX);
  if (vocabulary->split > check->program->shapes[vocabulary->embedding].rows)
    return FAIL (check, "split", "%u lies outside the vocabulary of %u",
        vocabulary->split,
        check->program->shapes[vocabulary->embedding].rows);
  for (uint32_t i = 0; i < check->operation->batch; i++) {
    if (!vocabulary->items[i].result)
      return FAIL (check, "result", "missing");
    TRY (check_activations (check, "input", &vocabulary->items[i].input,
            vocabulary->width));
  }
  return NPU_OK;
}

static NpuStatus
check_tiles (const Check * check, const char *field, const NpuView * view,
    size_t tile_size)
{
  size_t needed;

  if (__builtin_mul_overflow (tile_size, (size_t) view->rows, &needed))
    needed = 0;
  return check_range (check, field, view, needed);
}

static NpuStatus
check_tile (const Check * check)
{
  const NpuTileOperation *tile = &check->operation->tile;
  size_t input_size, output_size;

  if (!tile->input || !tile->output)
    return FAIL (check, "input or output", "missing");
  if ((unsigned) tile->kernel >= NPU_TILES)
    return FAIL (check, "kernel", "unknown kernel %d", (int) tile->kernel);
  input_size = npu_tile_input_size (tile->kernel);
  output_size = npu_tile_output_size (tile->kernel);
  for (uint32_t i = 0; i < check->operation->batch; i++) {
    const NpuView *input = &tile->input[i], *output = &tile->output[i];

    TRY (check_tiles (check, "input", input, input_size));
    TRY (check_tiles (check, "output", output, output_size));
    TRY (check_same_rows (check, "output", output, input));
    TRY (check_apart (check, input, input->rows * input_size, output,
            output->rows * output_size));
  }
  return NPU_OK;
}

NpuStatus
npu_operations_check (const NpuDevice * device, const NpuProgram * program,
    const NpuOperation * operations, size_t count, NpuError * error)
{
  static NpuStatus (*const checks[NPU_OPERATIONS]) (const Check *) = {
    [NPU_OPERATION_CONV1D_STEM] = check_stem,
    [NPU_OPERATION_LAYER_NORM] = check_layer_norm,
    [NPU_OPERATION_GEMM] = check_gemm,
    [NPU_OPERATION_ATTENTION] = check_attention,
    [NPU_OPERATION_CACHE_STORE] = check_cache_store,
    [NPU_OPERATION_EMBED] = check_embed,
    [NPU_OPERATION_VOCABULARY_TOP_K] = check_vocabulary,
    [NPU_OPERATION_TILE] = check_tile,
  };

  for (size_t i = 0; i < count; i++) {
    Check check = { program, device, device->backend, &operations[i], i,
      error
    };

    if ((unsigned) operations[i].type >= NPU_OPERATIONS)
      return npu_error_set (error, NPU_EINVAL,
          "operation %zu has unknown type %d", i, (int) operations[i].type);
    if (!(device->info.operations & 1u << operations[i].type))
      return npu_error_set (error, NPU_ENOTSUP,
          "operation %zu: device \"%s\" has no %s", i, device->info.name,
          operation_names[operations[i].type]);
    if (operations[i].batch == 0)
      return FAIL (&check, "batch", "it must not be 0");
    TRY (checks[operations[i].type] (&check));
  }
  return NPU_OK;
}
