/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What npu_queue_submit() must refuse: each test spoils one field of a good
 * operation, and the message has to name the operation and that field.
 */
#include "unit/device-fixture.h"

#include <string.h>

static Fixture fixture;

/* A good operation of each kind with all that it points to. */
static NpuView input, output, wide, cache, frames, staged, probabilities;
static NpuStemItem stem_item;
static NpuAttentionItem attention_item;
static NpuEmbedItem embed_item;
static NpuVocabularyItem vocabulary_item;
static NpuVocabularyResult result;
static NpuOperation operation;
static const int32_t token = 3;
static const uint8_t heads[] = { 0, 2 };

#define ROWS 8

static void
open_fixture (void)
{
  ck_assert (fixture_open (&fixture, 0, 1, NPU_PRECISION_FLOAT32));
  input = fixture_activations (&fixture, ROWS, 3 * WIDTH);
  output = fixture_activations (&fixture, ROWS, WIDTH);
  wide = fixture_activations (&fixture, ROWS, GEMM_OUTPUTS);
  cache = fixture_cache (&fixture, 2 * ROWS, WIDTH);
  frames = fixture_rows (&fixture, 2 * ROWS, BANDS);
  staged = fixture_rows (&fixture, 1, (uint32_t)
      (npu_stem_scratch_size (fixture.device, ROWS, BANDS, WIDTH)
          / sizeof (float)));
  probabilities = fixture_rows (&fixture, 2 * ROWS, ROWS);
  for (int i = 0; i < 2 * ROWS * BANDS; i++)
    plain_row (&frames, BANDS, 0)[i] = 0.0f;
  fill_activations (&input, 3 * WIDTH);
  memset (&operation, 0, sizeof (operation));
  operation.batch = 1;
}

static void
close_fixture (void)
{
  fixture_free_view (&input);
  fixture_free_view (&output);
  fixture_free_view (&wide);
  fixture_free_view (&cache);
  fixture_free_view (&frames);
  fixture_free_view (&staged);
  fixture_free_view (&probabilities);
  fixture_close (&fixture);
}

static void
expect (NpuStatus wanted, const char *name, const char *field)
{
  NpuError error = { NPU_OK, "" };
  NpuStatus status = npu_queue_submit (fixture.queue, fixture.program,
      &operation, 1, fixture.fence, &error);

  if (status == NPU_OK)
    npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL);
  ck_assert_msg (status == wanted, "%s of %s: %d %s", field, name,
      (int) status, error.message);
  if (wanted != NPU_OK) {
    ck_assert_msg (strstr (error.message, name) != NULL, "%s", error.message);
    ck_assert_msg (strstr (error.message, field) != NULL, "%s", error.message);
  }
}

/* Set @what to @value, see that this is refused, and set it back. */
#define REFUSE(name, field, what, value) \
  do { \
    __typeof__ (what) good_ = (what); \
    (what) = (value); \
    expect (NPU_EINVAL, name, field); \
    (what) = good_; \
  } while (0)

/* A view that every operation must refuse to go wrong in. */
#define REFUSE_VIEW(name, field, view) \
  do { \
    REFUSE (name, field, (view).buffer, NULL); \
    REFUSE (name, field, (view).offset, (view).offset + 4); \
    REFUSE (name, field, (view).offset, (view).offset + 64); \
    REFUSE (name, field, (view).offset, SIZE_MAX - 63); \
  } while (0)

#define REFUSE_ROWS(name, field, view) \
  do { \
    REFUSE (name, field, (view).rows, 0); \
    REFUSE (name, field, (view).rows, (view).rows + 1); \
    REFUSE (name, field, (view).rows, UINT32_MAX); \
  } while (0)

START_TEST (bad_gemm_is_refused)
{
  NpuView gemm_input = fixture_activations (&fixture, ROWS, GEMM_INPUTS);
  NpuView residual = wide;

  operation.type = NPU_OPERATION_GEMM;
  operation.gemm = (NpuGemmOperation) { &gemm_input, &wide, &residual,
    GEMM_WEIGHT, GEMM_BIAS, true, false
  };
  fill_activations (&gemm_input, GEMM_INPUTS);
  expect (NPU_OK, "gemm", "good");
  REFUSE_VIEW ("gemm", "input", gemm_input);
  REFUSE_ROWS ("gemm", "input", gemm_input);
  REFUSE_VIEW ("gemm", "output", wide);
  REFUSE_ROWS ("gemm", "output", wide);
  REFUSE_VIEW ("gemm", "residual", residual);
  REFUSE_ROWS ("gemm", "residual", residual);
  REFUSE ("gemm", "output", wide.rows, ROWS - 1);
  REFUSE ("gemm", "output", wide.buffer, gemm_input.buffer);
  REFUSE ("gemm", "batch", operation.batch, 0);
  REFUSE ("gemm", "input", operation.gemm.input, NULL);
  REFUSE ("gemm", "weight", operation.gemm.weight, TENSORS);
  REFUSE ("gemm", "weight", operation.gemm.weight, GEMM_BIAS);
  REFUSE ("gemm", "weight", operation.gemm.weight, NPU_NO_TENSOR);
  REFUSE ("gemm", "bias", operation.gemm.bias, NORM_SCALE);
  fixture_free_view (&gemm_input);
}

END_TEST

START_TEST (gemm_must_not_write_over_its_input)
{
  NpuView whole = fixture_activations (&fixture, 2 * ROWS, GEMM_OUTPUTS);
  NpuView part = { whole.buffer, whole.offset, ROWS };

  operation.type = NPU_OPERATION_GEMM;
  operation.gemm = (NpuGemmOperation) {.input = &part,.output = &whole,
    .weight = GEMM_WEIGHT,.bias = NPU_NO_TENSOR
  };
  whole.rows = ROWS;
  expect (NPU_EINVAL, "gemm", "output");
  part.offset += npu_device_activation_size (fixture.device, ROWS,
      GEMM_OUTPUTS);
  expect (NPU_OK, "gemm", "good");
  fixture_free_view (&whole);
}

END_TEST

START_TEST (bad_layer_norm_is_refused)
{
  NpuLayerNormOperation *norm = &operation.layer_norm;

  operation.type = NPU_OPERATION_LAYER_NORM;
  *norm = (NpuLayerNormOperation) { &output, &output, WIDTH, NORM_SCALE,
    NORM_SHIFT, false
  };
  fill_activations (&output, WIDTH);
  expect (NPU_OK, "layer_norm", "good");
  REFUSE_VIEW ("layer_norm", "put", output);
  REFUSE_ROWS ("layer_norm", "put", output);
  REFUSE ("layer_norm", "scale", norm->width, WIDTH + 1);
  REFUSE ("layer_norm", "width", norm->width, 0);
  REFUSE ("layer_norm", "scale", norm->scale, POSITIONS);
  REFUSE ("layer_norm", "shift", norm->shift, TENSORS + 7);
  REFUSE ("layer_norm", "output", norm->output, NULL);
}

END_TEST

START_TEST (bad_stem_is_refused)
{
  NpuStemOperation *stem = &operation.stem;

  operation.type = NPU_OPERATION_CONV1D_STEM;
  stem_item = (NpuStemItem) { {frames, {NULL, 0, 0}}, staged, output };
  *stem = (NpuStemOperation) { &stem_item, BANDS, WIDTH, CONV1_WEIGHT,
    CONV1_BIAS, CONV2_WEIGHT, CONV2_BIAS, POSITIONS
  };
  expect (NPU_OK, "conv1d_stem", "good");
  REFUSE_VIEW ("conv1d_stem", "frames[0]", stem_item.frames[0]);
  REFUSE ("conv1d_stem", "frames[1]", stem_item.frames[1].rows, 1);
  REFUSE_VIEW ("conv1d_stem", "staged", stem_item.staged);
  REFUSE_VIEW ("conv1d_stem", "output", stem_item.output);
  REFUSE_ROWS ("conv1d_stem", "output", stem_item.output);
  REFUSE ("conv1d_stem", "frames", stem_item.output.rows, ROWS - 1);
  REFUSE ("conv1d_stem", "conv1_weight", stem->bands, BANDS + 1);
  REFUSE ("conv1d_stem", "conv1_weight", stem->conv1_weight, CONV2_WEIGHT);
  REFUSE ("conv1d_stem", "conv1_bias", stem->conv1_bias, GEMM_BIAS);
  REFUSE ("conv1d_stem", "conv2_weight", stem->conv2_weight, CONV1_WEIGHT);
  REFUSE ("conv1d_stem", "conv2_bias", stem->conv2_bias, TENSORS);
  REFUSE ("conv1d_stem", "positions", stem->positions, NORM_SCALE);
  REFUSE ("conv1d_stem", "bands", stem->bands, UINT32_MAX);
}

END_TEST

START_TEST (bad_full_and_causal_attention_are_refused)
{
  NpuAttentionOperation *attention = &operation.attention;
  NpuAttentionItem *item = &attention_item;

  operation.type = NPU_OPERATION_ATTENTION;
  *item = (NpuAttentionItem) {.input = input,.output = output,.cache = cache };
  *attention = (NpuAttentionOperation) {.items = item,
    .form = NPU_ATTENTION_FULL,.width = WIDTH,.heads = 3
  };
  expect (NPU_OK, "attention", "good");
  REFUSE_VIEW ("attention", "input", item->input);
  REFUSE_ROWS ("attention", "input", item->input);
  REFUSE_VIEW ("attention", "output", item->output);
  REFUSE_ROWS ("attention", "output", item->output);
  REFUSE ("attention", "heads", attention->heads, 0);
  REFUSE ("attention", "heads", attention->heads, 5);
  REFUSE ("attention", "form", attention->form, (NpuAttentionForm) 3);
  REFUSE ("attention", "probabilities", item->probabilities, probabilities);
  attention->heads = 6;
  expect (NPU_ENOTSUP, "attention", "head size 8");
  attention->heads = 3;

  attention->form = NPU_ATTENTION_CAUSAL;
  item->position = ROWS;
  expect (NPU_OK, "attention", "good");
  REFUSE ("attention", "position", item->position, ROWS + 1);
  REFUSE ("attention", "position", item->position, UINT32_MAX);
  REFUSE_VIEW ("attention", "cache", item->cache);
  REFUSE ("attention", "cache", item->cache.rows, 0);
  REFUSE ("attention", "cache", item->cache.rows, UINT32_MAX);
}

END_TEST

START_TEST (bad_cross_attention_is_refused)
{
  static const uint8_t bad_heads[] = { 0, 3 };
  NpuAttentionOperation *attention = &operation.attention;
  NpuAttentionItem *item = &attention_item;

  memset (plain_row (&cache, 1, 0), 0, npu_device_cache_size (fixture.device,
          cache.rows, WIDTH));
  operation.type = NPU_OPERATION_ATTENTION;
  *item = (NpuAttentionItem) {.input = input,.output = output,.cache = cache,
    .keys = ROWS,.probabilities = probabilities
  };
  *attention = (NpuAttentionOperation) { item, NPU_ATTENTION_CROSS, WIDTH, 3,
    heads, 2
  };
  expect (NPU_OK, "attention", "good");
  REFUSE ("attention", "keys", item->keys, 0);
  REFUSE ("attention", "keys", item->keys, 2 * ROWS + 1);
  REFUSE ("attention", "probabilities", item->keys, ROWS + 1);
  REFUSE ("attention", "probabilities", item->probabilities.offset,
      item->probabilities.offset + 64);
  REFUSE ("attention", "chosen_heads", attention->chosen_heads, NULL);
  REFUSE ("attention", "chosen_heads", attention->chosen_heads, bad_heads);
  REFUSE ("attention", "chosen_count", attention->chosen_count, 4);
  REFUSE ("attention", "cache", item->cache.buffer, NULL);
}

END_TEST

START_TEST (bad_cache_store_is_refused)
{
  NpuView states = { input.buffer, input.offset, ROWS };

  operation.type = NPU_OPERATION_CACHE_STORE;
  operation.cache_store = (NpuCacheStoreOperation) { &states, &cache, WIDTH };
  expect (NPU_OK, "cache_store", "good");
  REFUSE ("cache_store", "input", states.buffer, NULL);
  REFUSE ("cache_store", "input", states.rows, 0);
  REFUSE ("cache_store", "input", states.rows, UINT32_MAX);
  REFUSE ("cache_store", "output", cache.rows, ROWS - 1);
  REFUSE_VIEW ("cache_store", "output", cache);
  REFUSE ("cache_store", "width", operation.cache_store.width, WIDTH + 1);
}

END_TEST

START_TEST (bad_embed_is_refused)
{
  NpuEmbedOperation *embed = &operation.embed;

  operation.type = NPU_OPERATION_EMBED;
  embed_item = (NpuEmbedItem) { &token, TOKEN_POSITIONS - 1, output };
  embed_item.output.rows = 1;
  *embed = (NpuEmbedOperation) { &embed_item, WIDTH, EMBEDDING,
    EMBEDDING_POSITIONS
  };
  expect (NPU_OK, "embed", "good");
  REFUSE ("embed", "tokens", embed_item.tokens, NULL);
  REFUSE ("embed", "positions", embed_item.position, TOKEN_POSITIONS);
  REFUSE ("embed", "positions", embed_item.position, UINT32_MAX);
  REFUSE ("embed", "embedding", embed->embedding, GEMM_WEIGHT);
  REFUSE ("embed", "positions", embed->positions, EMBEDDING);
  REFUSE ("embed", "output", embed_item.output.buffer, NULL);
  REFUSE ("embed", "embedding", embed->width, WIDTH - 1);
}

END_TEST

START_TEST (bad_vocabulary_is_refused)
{
  NpuVocabularyOperation *vocabulary = &operation.vocabulary;

  operation.type = NPU_OPERATION_VOCABULARY_TOP_K;
  vocabulary_item = (NpuVocabularyItem) {.input = output,.result = &result };
  *vocabulary = (NpuVocabularyOperation) { &vocabulary_item, WIDTH, EMBEDDING,
    5, VOCABULARY
  };
  fill_activations (&output, WIDTH);
  expect (NPU_OK, "vocabulary_top_k", "good");
  REFUSE_VIEW ("vocabulary_top_k", "input", vocabulary_item.input);
  REFUSE_ROWS ("vocabulary_top_k", "input", vocabulary_item.input);
  REFUSE ("vocabulary_top_k", "result", vocabulary_item.result, NULL);
  REFUSE ("vocabulary_top_k", "k", vocabulary->k, 0);
  REFUSE ("vocabulary_top_k", "k", vocabulary->k, NPU_TOP_K_MAX + 1);
  REFUSE ("vocabulary_top_k", "split", vocabulary->split, VOCABULARY + 1);
  REFUSE ("vocabulary_top_k", "embedding", vocabulary->embedding, NORM_SCALE);
}

END_TEST

START_TEST (bad_tile_is_refused)
{
  size_t input_size = npu_tile_input_size (NPU_TILE_ATTENTION_INT8);
  size_t output_size = npu_tile_output_size (NPU_TILE_ATTENTION_INT8);
  NpuView in = fixture_rows (&fixture, ROWS, (uint32_t) input_size / 4);
  NpuView out = fixture_rows (&fixture, ROWS, (uint32_t) output_size / 4);

  operation.type = NPU_OPERATION_TILE;
  operation.tile = (NpuTileOperation) { NPU_TILE_ATTENTION_INT8, &in, &out };
  expect (NPU_OK, "tile", "good");
  REFUSE_VIEW ("tile", "input", in);
  REFUSE_ROWS ("tile", "input", in);
  REFUSE_VIEW ("tile", "output", out);
  REFUSE_ROWS ("tile", "output", out);
  REFUSE ("tile", "output", out.rows, ROWS - 1);
  REFUSE ("tile", "kernel", operation.tile.kernel, NPU_TILES);
  REFUSE ("tile", "kernel", operation.tile.kernel, (NpuTileKernel) - 1);
  REFUSE ("tile", "input", operation.tile.input, NULL);
  REFUSE ("tile", "output", operation.tile.output, NULL);
  REFUSE ("tile", "batch", operation.batch, 0);
  fixture_free_view (&in);
  fixture_free_view (&out);
}

END_TEST

START_TEST (tile_must_not_write_over_its_input)
{
  size_t input_size = npu_tile_input_size (NPU_TILE_LAYER_NORM_INT8);
  size_t output_size = npu_tile_output_size (NPU_TILE_LAYER_NORM_INT8);
  NpuView in = fixture_rows (&fixture, 1, (uint32_t) (ROWS * input_size
          + 2 * ROWS * output_size) / 4);
  NpuView out = in;

  in.rows = out.rows = ROWS;
  in.offset += ROWS * output_size;
  operation.type = NPU_OPERATION_TILE;
  operation.tile = (NpuTileOperation) { NPU_TILE_LAYER_NORM_INT8, &in, &out };
  expect (NPU_OK, "tile", "output before the input");
  REFUSE ("tile", "overlaps", out.offset, out.offset + 64);
  out.offset = in.offset + ROWS * input_size;
  expect (NPU_OK, "tile", "output behind the input");
  REFUSE ("tile", "overlaps", out.offset, out.offset - 64);
  fixture_free_view (&in);
}

END_TEST

START_TEST (objects_of_different_devices_are_refused)
{
  NpuDeviceOptions options = {.threads = 2,.isa = "c" };
  NpuDevice *other;
  NpuFence *fence;
  NpuBuffer *buffer, *good = output.buffer;
  NpuError error;

  ck_assert_int_eq (npu_device_open ("cpu", &options, &other, NULL), NPU_OK);
  npu_fence_create (other, &fence, NULL);
  npu_buffer_create (other, npu_buffer_size (good), 0, &buffer, NULL);
  ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program, NULL, 0,
          fence, &error), NPU_EINVAL);
  operation.type = NPU_OPERATION_LAYER_NORM;
  operation.layer_norm = (NpuLayerNormOperation) { &output, &output, WIDTH,
    NORM_SCALE, NORM_SHIFT, false
  };
  output.buffer = buffer;
  expect (NPU_EINVAL, "layer_norm", "another device");
  output.buffer = good;
  npu_buffer_unref (buffer);
  npu_fence_free (fence);
  npu_device_unref (other);
}

END_TEST

START_TEST (unknown_operation_and_missing_arguments_are_refused)
{
  NpuError error;

  operation.type = NPU_OPERATIONS;
  expect (NPU_EINVAL, "operation 0", "unknown type");
  ck_assert_int_eq (npu_queue_submit (fixture.queue, NULL, &operation, 1,
          fixture.fence, &error), NPU_EINVAL);
  ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program, NULL, 1,
          fixture.fence, &error), NPU_EINVAL);
  ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
          &operation, 1, NULL, &error), NPU_EINVAL);
}

END_TEST

static Suite *
checks_suite (void)
{
  Suite *suite = suite_create ("device checks");
  TCase *tests = tcase_create ("checks");

  tcase_add_checked_fixture (tests, open_fixture, close_fixture);
  tcase_add_test (tests, bad_gemm_is_refused);
  tcase_add_test (tests, gemm_must_not_write_over_its_input);
  tcase_add_test (tests, bad_layer_norm_is_refused);
  tcase_add_test (tests, bad_stem_is_refused);
  tcase_add_test (tests, bad_full_and_causal_attention_are_refused);
  tcase_add_test (tests, bad_cross_attention_is_refused);
  tcase_add_test (tests, bad_cache_store_is_refused);
  tcase_add_test (tests, bad_embed_is_refused);
  tcase_add_test (tests, bad_vocabulary_is_refused);
  tcase_add_test (tests, bad_tile_is_refused);
  tcase_add_test (tests, tile_must_not_write_over_its_input);
  tcase_add_test (tests, objects_of_different_devices_are_refused);
  tcase_add_test (tests, unknown_operation_and_missing_arguments_are_refused);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  return fixture_main (checks_suite ());
}
