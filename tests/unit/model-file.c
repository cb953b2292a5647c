/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sound models in every format: what is opened is what was written. Damaged
 * ones are tested in model-hostile.c.
 */
#include "model/model-file.h"
#include "model-writer.h"
#include "run-suite.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static NpuModelFile *
open_model (const char *path)
{
  NpuModelFile *file;
  NpuError error = { 0 };
  NpuStatus status = npu_model_file_open (path, &file, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  return file;
}

static const char *
save_ggml (const WrittenModel * model, const char *name)
{
  const char *path = test_path (name);
  Buffer buffer = written_model_ggml (model, NULL);

  write_file (path, buffer.data, buffer.size);
  buffer_clear (&buffer);
  return path;
}

static void
check_value (const WrittenTensor * tensor, size_t index, float value)
{
  float expected = written_tensor_value (tensor, index);

  ck_assert_msg (value == expected, "%s[%zu] is %.9g, not %.9g",
      tensor->ggml_name, index, value, expected);
}

/* Shape and all values; the rows in pieces of 1, 2, 3... */
static void
check_tensor (const NpuModelFile * file, const WrittenTensor * tensor)
{
  const NpuTensorInfo *info = npu_model_file_tensor (file, tensor->ggml_name);
  float *values;
  size_t row = 0;

  ck_assert_msg (info != NULL, "%s", tensor->ggml_name);
  ck_assert_str_eq (info->name, tensor->ggml_name);
  ck_assert_uint_eq (info->dimensions, tensor->dimensions);
  for (uint32_t i = 0; i < 3; i++)
    ck_assert_uint_eq (info->shape[i], tensor->shape[i]);
  ck_assert_uint_eq (info->rows * info->columns, tensor->elements);
  ck_assert_uint_eq (info->rows,
      tensor->dimensions == 1 ? 1 : tensor->shape[0]);
  ck_assert_uint_eq (info->size, tensor->size);

  values = malloc (tensor->elements * sizeof (float));
  for (size_t step = 1; row < info->rows; step++) {
    size_t rows = step < info->rows - row ? step : info->rows - row;

    ck_assert_int_eq (npu_model_file_read_rows (file, info, row, rows,
            values + row * info->columns), NPU_OK);
    row += rows;
  }
  for (size_t i = 0; i < tensor->elements; i++)
    check_value (tensor, i, values[i]);
  free (values);
}

static void
check_model (const NpuModelFile * file, const WrittenModel * model)
{
  const NpuModelConfig *config = npu_model_file_config (file);
  const ModelSpec *spec = &model->spec;

  ck_assert_uint_eq (config->bands, spec->bands);
  ck_assert_uint_eq (config->audio_context, spec->audio_context);
  ck_assert_uint_eq (config->audio_width, spec->width);
  ck_assert_uint_eq (config->audio_heads, spec->heads);
  ck_assert_uint_eq (config->audio_layers, spec->audio_layers);
  ck_assert_uint_eq (config->audio_feed_forward, 4 * spec->width);
  ck_assert_uint_eq (config->text_context, spec->text_context);
  ck_assert_uint_eq (config->text_width, spec->width);
  ck_assert_uint_eq (config->text_heads, spec->heads);
  ck_assert_uint_eq (config->text_layers, spec->text_layers);
  ck_assert_uint_eq (config->text_feed_forward, 4 * spec->width);
  ck_assert_uint_eq (config->vocabulary, spec->vocabulary);
  ck_assert_uint_eq (config->head_size, spec->width / spec->heads);
  ck_assert_uint_eq (npu_model_file_tensor_count (file), model->count);
  for (size_t i = 0; i < model->count; i++)
    check_tensor (file, &model->tensors[i]);
}

START_TEST (ggml_gives_back_what_was_written_in_every_type)
{
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  NpuModelFile *file;

  spec.type = (WriteType) _i;
  spec.seed = 100 + (uint64_t) _i;
  spec.audio_layers = 2;
  spec.bands = _i % 2 ? 80 : 128;
  model = written_model_new (&spec);
  file = open_model (save_ggml (model, "ggml-sound.bin"));
  check_model (file, model);
  ck_assert_str_eq (npu_model_file_config (file)->name, "sound");
  ck_assert (!npu_model_file_config (file)->heard_context);
  ck_assert_uint_eq (npu_model_file_config (file)->context_step, 1);
  ck_assert_uint_eq (npu_model_file_config (file)->alignment_head_count, 0);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (directory_gives_back_what_was_written_in_every_type)
{
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  NpuModelFile *file;
  const NpuModelConfig *config;

  spec.type = (WriteType) _i;
  spec.text_layers = 2;
  model = written_model_new (&spec);
  test_path_in ("hugging", "");
  written_model_save (model, test_path ("hugging"));
  file = open_model (test_path ("hugging"));
  check_model (file, model);
  config = npu_model_file_config (file);
  ck_assert_str_eq (config->name, "small");
  ck_assert (config->heard_context);
  ck_assert_uint_eq (config->context_step, 2);
  ck_assert_uint_eq (config->alignment_head_count, 2);
  ck_assert_uint_eq (config->alignment_heads[0].layer, 0);
  ck_assert_uint_eq (config->alignment_heads[0].head, 1);
  ck_assert_uint_eq (config->alignment_heads[1].layer, 1);
  ck_assert_uint_eq (config->alignment_heads[1].head, 0);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (directory_in_three_parts_is_one_model)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  Buffer index = { 0 };
  NpuModelFile *file;
  char *config = written_model_config_json (model);

  write_text (test_path_in ("sharded", "config.json"), config);
  free (config);
  buffer_add (&index, "{\"weight_map\":{", 15);
  for (size_t i = 0; i < model->count; i++) {
    char entry[200];

    snprintf (entry, sizeof (entry), "%s\"%s\":\"part-%zu.safetensors\"",
        i ? "," : "", model->tensors[i].hugging_face_name, i % 3);
    buffer_add (&index, entry, strlen (entry));
  }
  buffer_add (&index, "}}", 2);
  write_file (test_path_in ("sharded", "model.safetensors.index.json"),
      index.data, index.size);
  buffer_clear (&index);
  for (size_t part = 0; part < 3; part++) {
    Buffer weights = written_model_safetensors (model, part, 3);
    char name[64];

    snprintf (name, sizeof (name), "part-%zu.safetensors", part);
    write_file (test_path_in ("sharded", name), weights.data, weights.size);
    buffer_clear (&weights);
  }
  file = open_model (test_path ("sharded"));
  check_model (file, model);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (missing_positions_of_the_encoder_are_sinusoids)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  WrittenTensor *positions = written_model_find (model,
      "encoder.positional_embedding");
  const uint32_t context = model->spec.audio_context;
  const uint32_t half = model->spec.width / 2;
  const NpuTensorInfo *info;
  NpuModelFile *file;
  float values[4 * 32];

  ck_assert_uint_eq (context * 2 * half, 4 * 32);
  strcpy (positions->hugging_face_name, "model.something_else");
  test_path_in ("sinusoids", "");
  written_model_save (model, test_path ("sinusoids"));
  file = open_model (test_path ("sinusoids"));
  info = npu_model_file_tensor (file, "encoder.positional_embedding");
  ck_assert (info != NULL);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 0, 1, values),
      NPU_OK);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 1, 3, values + 32),
      NPU_OK);
  for (uint32_t t = 0; t < context; t++) {
    for (uint32_t i = 0; i < half; i++) {
      double angle = t * pow (10000, -(double) i / (half - 1));

      ck_assert_double_eq_tol (values[t * 2 * half + i], sin (angle), 1e-7);
      ck_assert_double_eq_tol (values[t * 2 * half + half + i], cos (angle),
          1e-7);
    }
  }
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (names_without_the_prefix_of_the_model_are_known_too)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  NpuModelFile *file;

  for (size_t i = 0; i < model->count; i++) {
    char *name = model->tensors[i].hugging_face_name;

    memmove (name, name + 6, strlen (name + 6) + 1);
  }
  test_path_in ("bare", "");
  written_model_save (model, test_path ("bare"));
  file = open_model (test_path ("bare"));
  check_model (file, model);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (every_half_is_converted_exactly)
{
  /* all 65536 of them, as the token embedding; NaN stays NaN */
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  WrittenTensor *embedding;
  const NpuTensorInfo *info;
  NpuModelFile *file;
  float *values;

  spec.type = (WriteType) (WRITE_F16 + _i);
  spec.vocabulary = 65536 / spec.width;
  model = written_model_new (&spec);
  embedding = written_model_find (model, "decoder.token_embedding.weight");
  for (uint32_t i = 0; i < 65536; i++) {
    embedding->bytes[2 * i] = (uint8_t) i;
    embedding->bytes[2 * i + 1] = (uint8_t) (i >> 8);
  }
  file = open_model (save_ggml (model, "halves.bin"));
  info = npu_model_file_tensor (file, "decoder.token_embedding.weight");
  values = malloc (65536 * sizeof (float));
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 0, info->rows,
          values), NPU_OK);
  for (uint32_t i = 0; i < 65536; i++) {
    uint32_t infinity = spec.type == WRITE_F16 ? 0x7c00 : 0x7f80;

    if ((i & 0x7fff) > infinity) {
      ck_assert_msg (isnan (values[i]), "%04x is not NaN", i);
    } else if ((i & 0x7fff) == infinity) {
      ck_assert (isinf (values[i]) && !signbit (values[i]) == !(i >> 15));
    } else {
      check_value (embedding, i, values[i]);
      ck_assert_int_eq (!signbit (values[i]), !(i >> 15));
    }
  }
  free (values);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (rows_outside_a_tensor_are_refused)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  NpuModelFile *file = open_model (save_ggml (model, "rows.bin"));
  const NpuTensorInfo *info = npu_model_file_tensor (file,
      "decoder.positional_embedding");
  NpuTensorInfo copy = *info;
  float values[8 * 32];

  ck_assert_uint_eq (info->rows, 8);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 8, 0, values),
      NPU_OK);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 8, 1, values),
      NPU_EINVAL);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 0, 9, values),
      NPU_EINVAL);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 9, 0, values),
      NPU_EINVAL);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, 1, SIZE_MAX,
          values), NPU_EINVAL);
  ck_assert_int_eq (npu_model_file_read_rows (file, info, SIZE_MAX, 1,
          values), NPU_EINVAL);
  ck_assert_int_eq (npu_model_file_read_rows (file, &copy, 0, 1, values),
      NPU_EINVAL);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (unknown_tensors_are_not_found)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  NpuModelFile *file = open_model (save_ggml (model, "names.bin"));
  char longer[300];

  memset (longer, 'a', sizeof (longer) - 1);
  longer[sizeof (longer) - 1] = '\0';
  ck_assert_ptr_null (npu_model_file_tensor (file, ""));
  ck_assert_ptr_null (npu_model_file_tensor (file, "encoder"));
  ck_assert_ptr_null (npu_model_file_tensor (file, longer));
  ck_assert_ptr_null (npu_model_file_tensor (file,
          "encoder.blocks.0.attn.key.bias"));
  ck_assert_ptr_null (npu_model_file_tensor (file,
          "encoder.blocks.1.attn.key.weight"));
  for (size_t i = 1; i < npu_model_file_tensor_count (file); i++)
    ck_assert_int_lt (strcmp (npu_model_file_tensor_at (file, i - 1)->name,
            npu_model_file_tensor_at (file, i)->name), 0);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

static char *
digest_of (const char *path)
{
  NpuModelFile *file = open_model (path);
  char *digest = strdup (npu_model_file_digest (file));

  ck_assert_uint_eq (strlen (digest), 16);
  ck_assert_uint_eq (strspn (digest, "0123456789abcdef"), 16);
  npu_model_file_unref (file);
  return digest;
}

START_TEST (digest_goes_with_the_content)
{
  ModelSpec spec = model_spec_small;
  WrittenModel *model = written_model_new (&spec);
  char *first = digest_of (save_ggml (model, "digest-1.bin"));
  char *again = digest_of (test_path ("digest-1.bin"));
  char *copy = digest_of (save_ggml (model, "digest-2.bin"));
  char *other;

  ck_assert_str_eq (first, again);
  ck_assert_str_eq (first, copy);
  written_model_free (model);

  spec.seed++;
  model = written_model_new (&spec);
  other = digest_of (save_ggml (model, "digest-2.bin"));
  ck_assert_str_ne (first, other);
  written_model_free (model);
  free (other);

  /* one bit of one small tensor */
  spec.seed--;
  model = written_model_new (&spec);
  written_model_find (model, "decoder.ln.bias")->bytes[17] ^= 1;
  other = digest_of (save_ggml (model, "digest-2.bin"));
  ck_assert_str_ne (first, other);
  written_model_free (model);
  free (other);
  free (first);
  free (again);
  free (copy);
}
END_TEST

START_TEST (references_keep_the_file_open)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  const char *path = save_ggml (model, "references.bin");
  NpuModelFile *file = open_model (path);

  ck_assert_str_eq (npu_model_file_path (file), path);
  ck_assert_ptr_eq (npu_model_file_ref (file), file);
  npu_model_file_unref (file);
  /* a model that was removed or replaced stays usable */
  ck_assert_int_eq (unlink (path), 0);
  check_model (file, model);
  npu_model_file_unref (file);
  npu_model_file_unref (NULL);
  written_model_free (model);
}
END_TEST

typedef struct
{
  const NpuModelFile *file;
  const WrittenModel *model;
  bool equal;
} Reading;

static void *
read_everything (void *data)
{
  Reading *reading = data;

  reading->equal = true;
  for (size_t i = 0; i < reading->model->count; i++) {
    const WrittenTensor *tensor = &reading->model->tensors[i];
    const NpuTensorInfo *info = npu_model_file_tensor (reading->file,
        tensor->ggml_name);
    float *values = malloc (tensor->elements * sizeof (float));

    npu_model_file_read_rows (reading->file, info, 0, info->rows, values);
    for (size_t j = 0; j < tensor->elements; j += 7)
      reading->equal &= values[j] == written_tensor_value (tensor, j);
    free (values);
  }
  return NULL;
}

START_TEST (several_threads_read_at_once)
{
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  NpuModelFile *file;
  pthread_t threads[4];
  Reading readings[4];

  spec.type = WRITE_Q5_1;
  model = written_model_new (&spec);
  file = open_model (save_ggml (model, "threads.bin"));
  for (size_t i = 0; i < 4; i++) {
    readings[i] = (Reading) { file, model, false };
    ck_assert_int_eq (pthread_create (&threads[i], NULL, read_everything,
            &readings[i]), 0);
  }
  for (size_t i = 0; i < 4; i++) {
    pthread_join (threads[i], NULL);
    ck_assert (readings[i].equal);
  }
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (head_sizes_are_multiples_of_16_up_to_128)
{
  static const struct
  {
    uint32_t width, heads;
    bool good;
  } rows[] = {
    {16, 1, true}, {64, 1, true}, {128, 1, true}, {192, 4, true},
    {32, 4, false}, {144, 1, false}, {48, 5, false}, {24, 1, false},
  };

  for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
    ModelSpec spec = model_spec_small;
    WrittenModel *model;
    NpuModelFile *file;
    NpuError error;
    NpuStatus status;

    spec.width = rows[i].width;
    spec.heads = rows[i].heads;
    model = written_model_new (&spec);
    status = npu_model_file_open (save_ggml (model, "heads.bin"), &file,
        &error);
    ck_assert_msg ((status == NPU_OK) == rows[i].good, "width %u, %u heads",
        rows[i].width, rows[i].heads);
    if (status != NPU_OK)
      ck_assert_msg (strstr (error.message, "head") != NULL, "%s",
          error.message);
    npu_model_file_unref (file);
    written_model_free (model);
  }
}
END_TEST

START_TEST (builtin_model_opens)
{
  NpuModelFile *file, *same;
  NpuError error = { 0 };

  ck_assert_msg (npu_model_file_open_builtin (&file, &error) == NPU_OK, "%s",
      error.message);
  same = open_model (NPU_MODEL_BUILTIN);
  ck_assert_str_eq (npu_model_file_digest (file),
      npu_model_file_digest (same));
  ck_assert_str_eq (npu_model_file_path (same), NPU_MODEL_BUILTIN);
  ck_assert_str_eq (npu_model_file_config (same)->name, "commands-en");
  ck_assert_uint_eq (npu_model_file_config (same)->head_size, 64);
  ck_assert (npu_model_file_config (same)->heard_context);
  npu_model_file_unref (file);
  npu_model_file_unref (same);
}
END_TEST

/* Environment for the search: nothing but the test's folder. */
static void
set_search_folders (void)
{
  char dirs[10000];

  unsetenv (NPU_MODEL_ENVIRONMENT);
  setenv ("XDG_DATA_HOME", test_path ("home"), 1);
  snprintf (dirs, sizeof (dirs), "relative:%s::%s", test_path ("system-1"),
      test_path ("system-2"));
  setenv ("XDG_DATA_DIRS", dirs, 1);
}

static const char *
models_folder (const char *base)
{
  char folder[64];

  test_path_in (base, "");
  snprintf (folder, sizeof (folder), "%s/gst-npu", base);
  test_path_in (folder, "");
  snprintf (folder, sizeof (folder), "%s/gst-npu/models", base);
  return test_path_in (folder, "");
}

static void
expect_default (const char *path)
{
  NpuModelFile *file;
  NpuError error = { 0 };
  NpuStatus status = npu_model_file_open (NULL, &file, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  ck_assert_str_eq (npu_model_file_path (file), path);
  npu_model_file_unref (file);
}

START_TEST (search_goes_from_environment_to_user_to_system_to_builtin)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  char in_home[9000], in_system[9000], link_target[9000];

  set_search_folders ();
  expect_default (NPU_MODEL_BUILTIN);

  snprintf (in_system, sizeof (in_system), "%sdefault.bin",
      models_folder ("system-2"));
  snprintf (link_target, sizeof (link_target), "%s", save_ggml (model,
          "target.bin"));
  ck_assert_int_eq (rename (link_target, in_system), 0);
  expect_default (in_system);

  /* a link to a directory, in the user's folder */
  test_path_in ("linked", "");
  written_model_save (model, test_path ("linked"));
  snprintf (in_home, sizeof (in_home), "%sdefault", models_folder ("home"));
  ck_assert_int_eq (symlink (test_path ("linked"), in_home), 0);
  expect_default (in_home);

  setenv (NPU_MODEL_ENVIRONMENT, in_system, 1);
  expect_default (in_system);
  setenv (NPU_MODEL_ENVIRONMENT, "", 1);
  expect_default (in_home);

  /* $HOME/.local/share without XDG_DATA_HOME */
  unsetenv ("XDG_DATA_HOME");
  setenv ("HOME", test_path ("other-home"), 1);
  expect_default (in_system);

  ck_assert_int_eq (unlink (in_home), 0);
  ck_assert_int_eq (unlink (in_system), 0);
  written_model_free (model);
}
END_TEST

START_TEST (search_never_falls_back_silently)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  char path[9000];
  NpuModelFile *file;
  NpuError error;

  set_search_folders ();
  snprintf (path, sizeof (path), "%sdefault", models_folder ("system-1"));
  test_path_in ("fallback", "");
  written_model_save (model, test_path ("fallback"));
  ck_assert_int_eq (symlink (test_path ("fallback"), path), 0);

  setenv (NPU_MODEL_ENVIRONMENT, "/nonexistent/model.bin", 1);
  ck_assert_int_eq (npu_model_file_open (NULL, &file, &error), NPU_EIO);
  ck_assert_msg (strstr (error.message, "GST_NPU_MODEL") != NULL
      && strstr (error.message, "/nonexistent/model.bin") != NULL, "%s",
      error.message);
  unsetenv (NPU_MODEL_ENVIRONMENT);

  /* a dangling link and a broken file in the user's folder */
  snprintf (path, sizeof (path), "%sdefault.bin", models_folder ("home"));
  ck_assert_int_eq (symlink ("/nonexistent", path), 0);
  ck_assert_int_eq (npu_model_file_open (NULL, &file, &error), NPU_EIO);
  ck_assert_msg (strstr (error.message, path) != NULL, "%s", error.message);
  ck_assert_int_eq (unlink (path), 0);
  write_text (path, "no model");
  ck_assert_int_eq (npu_model_file_open (NULL, &file, &error), NPU_EFORMAT);
  ck_assert_msg (strstr (error.message, path) != NULL, "%s", error.message);
  ck_assert_int_eq (unlink (path), 0);
  written_model_free (model);
}
END_TEST

START_TEST (alignment_heads_of_another_model_are_dropped)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  NpuModelFile *file;

  test_path_in ("distilled", "");
  written_model_save (model, test_path ("distilled"));
  write_text (test_path_in ("distilled", "generation_config.json"),
      "{\"alignment_heads\": [[0, 1], [25, 0]]}");
  file = open_model (test_path ("distilled"));
  ck_assert_uint_eq (npu_model_file_config (file)->alignment_head_count, 0);
  ck_assert_ptr_null (npu_model_file_config (file)->alignment_heads);
  npu_model_file_unref (file);
  written_model_free (model);
}
END_TEST

START_TEST (published_shapes_have_alignment_heads)
{
  static const struct
  {
    ModelSpec spec;
    size_t heads;
    uint32_t last_layer, last_head;
  } rows[] = {
    {{80, 1500, 384, 6, 4, 448, 4, 51864, WRITE_F16, 1, true}, 8, 3, 4},
    {{80, 1500, 384, 6, 4, 448, 4, 51865, WRITE_F16, 1, true}, 6, 3, 5},
    {{80, 1500, 768, 12, 12, 448, 12, 51864, WRITE_F16, 1, true}, 19, 11, 4},
    {{128, 1500, 1280, 20, 32, 448, 32, 51866, WRITE_F16, 1, true}, 10, 25, 6},
    {{128, 1500, 1280, 20, 32, 448, 4, 51866, WRITE_F16, 1, true}, 6, 3, 14},
    {{80, 1500, 1280, 20, 32, 448, 32, 51865, WRITE_F16, 1, true}, 0, 0, 0},
  };

  for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
    WrittenModel *model = written_model_new (&rows[i].spec);
    const NpuModelConfig *config;
    NpuModelFile *file;

    test_path_in ("published", "");
    written_model_save (model, test_path ("published"));
    write_text (test_path_in ("published", "generation_config.json"), "{}");
    file = open_model (test_path ("published"));
    config = npu_model_file_config (file);
    ck_assert_uint_eq (config->vocabulary, rows[i].spec.vocabulary);
    ck_assert_uint_eq (config->alignment_head_count, rows[i].heads);
    if (rows[i].heads > 0) {
      const NpuAlignmentHead *last =
          &config->alignment_heads[rows[i].heads - 1];

      ck_assert_uint_eq (last->layer, rows[i].last_layer);
      ck_assert_uint_eq (last->head, rows[i].last_head);
    } else {
      ck_assert_ptr_null (config->alignment_heads);
    }
    npu_model_file_unref (file);
    written_model_free (model);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("model-file");
  TCase *tcase = tcase_create ("general");

  tcase_add_loop_test (tcase, ggml_gives_back_what_was_written_in_every_type,
      0, WRITE_TYPES);
  tcase_add_loop_test (tcase,
      directory_gives_back_what_was_written_in_every_type, 0, WRITE_Q4_0);
  tcase_add_test (tcase, directory_in_three_parts_is_one_model);
  tcase_add_test (tcase, missing_positions_of_the_encoder_are_sinusoids);
  tcase_add_test (tcase, names_without_the_prefix_of_the_model_are_known_too);
  tcase_add_loop_test (tcase, every_half_is_converted_exactly, 0, 2);
  tcase_add_test (tcase, rows_outside_a_tensor_are_refused);
  tcase_add_test (tcase, unknown_tensors_are_not_found);
  tcase_add_test (tcase, digest_goes_with_the_content);
  tcase_add_test (tcase, references_keep_the_file_open);
  tcase_add_test (tcase, several_threads_read_at_once);
  tcase_add_test (tcase, head_sizes_are_multiples_of_16_up_to_128);
  tcase_add_test (tcase, builtin_model_opens);
  tcase_add_test (tcase,
      search_goes_from_environment_to_user_to_system_to_builtin);
  tcase_add_test (tcase, search_never_falls_back_silently);
  tcase_add_test (tcase, alignment_heads_of_another_model_are_dropped);
  tcase_add_test (tcase, published_shapes_have_alignment_heads);
  suite_add_tcase (suite, tcase);
  test_folder ();
  return run_suite (suite);
}
