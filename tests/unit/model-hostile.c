/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Truncated, damaged and hostile model files: each must be refused with a
 * message that names the path and the field, and nothing may crash, hang or
 * leak. The same program is worth running under sanitizers.
 */
#include "model/model-file.h"
#include "model-writer.h"
#include "run-suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))

/* Opens @path, which must fail with @expected, or with either kind of bad
 * contents where that is NPU_OK, and @message in its message. */
static void
expect_error (const char *path, NpuStatus expected, const char *message)
{
  NpuModelFile *file;
  NpuError error = { 0 };
  NpuStatus status = npu_model_file_open (path, &file, &error);

  ck_assert_msg (status != NPU_OK, "%s was opened instead of '%s'", path,
      message);
  ck_assert_ptr_null (file);
  ck_assert_int_eq (status, error.status);
  if (expected == NPU_OK)
    ck_assert_msg (status == NPU_EFORMAT || status == NPU_ENOTSUP, "%s: %s",
        npu_status_name (status), error.message);
  else
    ck_assert_msg (status == expected, "%s: %s", npu_status_name (status),
        error.message);
  ck_assert_msg (strstr (error.message, path) != NULL, "%s", error.message);
  /* behind a semicolon stands what to do */
  ck_assert_msg (strchr (error.message, ';') != NULL, "%s", error.message);
  ck_assert_msg (strstr (error.message, message) != NULL,
      "'%s' does not say '%s'", error.message, message);
  ck_assert_ptr_null (strchr (error.message, '\n'));
  ck_assert_int_eq (npu_model_file_open (path, &file, NULL), status);
}

static void
expect_ggml_error (const Buffer * buffer, NpuStatus expected,
    const char *message)
{
  const char *path = test_path ("hostile.bin");

  write_file (path, buffer->data, buffer->size);
  expect_error (path, expected, message);
}

typedef struct
{
  WrittenModel *model;
  Buffer buffer;
  GgmlLayout layout;
} Ggml;

static Ggml
ggml_new (WriteType type)
{
  ModelSpec spec = model_spec_small;
  Ggml ggml;

  spec.type = type;
  ggml.model = written_model_new (&spec);
  ggml.buffer = written_model_ggml (ggml.model, &ggml.layout);
  return ggml;
}

static void
ggml_clear (Ggml * ggml)
{
  written_model_free (ggml->model);
  buffer_clear (&ggml->buffer);
  ggml_layout_clear (&ggml->layout);
}

/* Writes @value at @offset, expects the error and takes it back. */
static void
expect_error_for_u32 (Ggml * ggml, size_t offset, uint32_t value,
    NpuStatus expected, const char *message)
{
  uint8_t saved[4];

  memcpy (saved, ggml->buffer.data + offset, 4);
  buffer_set_u32 (&ggml->buffer, offset, value);
  expect_ggml_error (&ggml->buffer, expected, message);
  memcpy (ggml->buffer.data + offset, saved, 4);
}

START_TEST (every_number_of_the_header_is_checked)
{
  static const char *const names[] = {
    "n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head",
    "n_audio_layer", "n_text_ctx", "n_text_state", "n_text_head",
    "n_text_layer", "n_mels",
  };
  static const uint32_t insane[] = {
    0, (uint32_t) -1, 0x80000000u, 0x7fffffffu, 0x00010001u * 64
  };
  static const uint32_t magics[] = {
    0, 0x67676d6du, 0x6c6d6767u, 0xffffffffu, 0x46554747u, 0x04034b50u,
  };
  Ggml ggml = ggml_new (WRITE_F16);

  for (size_t i = 0; i < COUNT (magics); i++)
    expect_error_for_u32 (&ggml, 0, magics[i], NPU_OK, "");
  expect_error_for_u32 (&ggml, 0, 0x46554747u, NPU_ENOTSUP, "GGUF");
  expect_error_for_u32 (&ggml, 0, 0x04034b50u, NPU_ENOTSUP, "PyTorch");
  for (size_t i = 0; i < COUNT (names); i++) {
    uint32_t right;

    memcpy (&right, ggml.buffer.data + 4 + 4 * i, 4);
    for (size_t j = 0; j < COUNT (insane); j++)
      expect_error_for_u32 (&ggml, 4 + 4 * i, insane[j], NPU_EFORMAT,
          names[i]);
    /* sane by themselves, but they contradict the tensors */
    expect_error_for_u32 (&ggml, 4 + 4 * i, right + 1, NPU_OK, "");
    expect_error_for_u32 (&ggml, 4 + 4 * i, 2 * right, NPU_OK, "");
    expect_error_for_u32 (&ggml, 4 + 4 * i, right + 16, NPU_OK, "");
  }
  expect_error_for_u32 (&ggml, 4 * 11, (uint32_t) -1, NPU_EFORMAT, "ftype");
  expect_error_for_u32 (&ggml, 4 * 11, 0x7fffffff, NPU_EFORMAT, "ftype");
  ggml_clear (&ggml);
}
END_TEST

START_TEST (filters_and_vocabulary_are_checked)
{
  Ggml ggml = ggml_new (WRITE_F16);
  const size_t vocabulary = ggml.layout.vocabulary;

  expect_error_for_u32 (&ggml, 48, 128, NPU_EFORMAT, "mel filters");
  expect_error_for_u32 (&ggml, 48, 0x80000000u, NPU_EFORMAT, "mel filters");
  expect_error_for_u32 (&ggml, 52, 200, NPU_EFORMAT, "mel filters");
  expect_error_for_u32 (&ggml, 52, (uint32_t) -1, NPU_EFORMAT, "mel filters");
  expect_error_for_u32 (&ggml, vocabulary, 41, NPU_EFORMAT, "41 tokens");
  expect_error_for_u32 (&ggml, vocabulary, (uint32_t) -1, NPU_EFORMAT,
      "n_vocab");
  expect_error_for_u32 (&ggml, vocabulary + 4, (uint32_t) -1, NPU_EFORMAT,
      "token 0");
  expect_error_for_u32 (&ggml, vocabulary + 4, 4097, NPU_EFORMAT, "token 0");
  /* shifts what follows */
  expect_error_for_u32 (&ggml, vocabulary, 25, NPU_OK, "");
  expect_error_for_u32 (&ggml, vocabulary, 27, NPU_OK, "");
  expect_error_for_u32 (&ggml, vocabulary + 4, 0, NPU_OK, "");
  expect_error_for_u32 (&ggml, vocabulary + 4, 14, NPU_OK, "");
  ggml_clear (&ggml);
}
END_TEST

START_TEST (heads_of_tensors_are_checked)
{
  static const struct
  {
    size_t field;               /* dimensions, name's length, type, extents */
    uint32_t value;
    const char *message;
  } rows[] = {
    {0, 0, "0 dimensions"}, {0, 4, "4 dimensions"},
    {0, (uint32_t) -1, "-1 dimensions"}, {0, 0x7fffffff, "dimensions"},
    {0, 1, ""}, {0, 3, ""},
    {1, 0, "name of 0 bytes"}, {1, 64, "name of 64 bytes"},
    {1, (uint32_t) -1, "name of -1 bytes"}, {1, 1, "tensor '"},
    {1, 5, "tensor '"},
    {2, 4, "ggml's type 4"}, {2, 5, "ggml's type 5"}, {2, 9, "ggml's type 9"},
    {2, 10, "ggml's type 10"}, {2, (uint32_t) -1, "ggml's type -1"},
    {2, 0x10001, "ggml's type"}, {2, 2, "quantised in version 0"},
    {2, 8, "quantised in version 0"},
    {3, 0, "shape"}, {3, 31, "shape"}, {3, 33, "shape"}, {3, 1, "shape"},
    {3, (uint32_t) -1, "shape"}, {3, 0x80000000u, "shape"},
    {4, 0, "shape"}, {4, 3, "shape"}, {4, 5, "shape"},
    {4, (uint32_t) -1, "shape"}, {4, 0x80000000u, "shape"},
  };
  Ggml ggml = ggml_new (WRITE_F16);

  /* the first tensor is encoder.positional_embedding, 4 x 32 */
  for (size_t i = 0; i < COUNT (rows); i++)
    expect_error_for_u32 (&ggml, ggml.layout.tensors[0] + 4 * rows[i].field,
        rows[i].value, NPU_OK, rows[i].message);
  ggml_clear (&ggml);
}
END_TEST

START_TEST (types_that_need_more_bytes_than_there_are_are_refused)
{
  Ggml ggml = ggml_new (WRITE_F16);
  const size_t last = ggml.model->count - 1;
  const WrittenTensor *tensor = &ggml.model->tensors[last];
  char expected[200];

  /* f32 in place of f16: the last tensor does not fit any more */
  snprintf (expected, sizeof (expected), "tensor '%s': 1 dimensions, 32 of "
      "type f32, need 128 bytes, the file ends after 64", tensor->ggml_name);
  expect_error_for_u32 (&ggml, ggml.layout.tensors[last] + 8, 0, NPU_EFORMAT,
      expected);
  /* the same in the middle makes nonsense of what follows */
  for (size_t i = 0; i < last; i++)
    expect_error_for_u32 (&ggml, ggml.layout.tensors[i] + 8, 0, NPU_OK, "");
  ggml_clear (&ggml);
}
END_TEST

START_TEST (quantised_types_are_checked)
{
  Ggml ggml = ggml_new (WRITE_Q5_0);
  size_t convolution = 0;

  /* versions of the format whose blocks look different */
  expect_error_for_u32 (&ggml, 4 * 11, 6, NPU_ENOTSUP, "version 0");
  expect_error_for_u32 (&ggml, 4 * 11, 1006, NPU_ENOTSUP, "version 1");
  expect_error_for_u32 (&ggml, 4 * 11, 3006, NPU_ENOTSUP, "version 3");
  /* rows of 3 taps are no whole blocks */
  while (strcmp (ggml.model->tensors[convolution].ggml_name,
          "encoder.conv1.weight"))
    convolution++;
  expect_error_for_u32 (&ggml, ggml.layout.tensors[convolution] + 8, 6,
      NPU_EFORMAT, "no multiple of 32");
  ggml_clear (&ggml);
}
END_TEST

START_TEST (no_tensor_may_be_missing)
{
  Ggml ggml = ggml_new (WRITE_Q4_0);
  const Buffer *whole = &ggml.buffer;

  for (size_t i = 0; i < ggml.model->count; i++) {
    size_t end = i + 1 < ggml.model->count ? ggml.layout.tensors[i + 1]
        : whole->size;
    Buffer without = { 0 };
    char expected[100];

    buffer_add (&without, whole->data, ggml.layout.tensors[i]);
    buffer_add (&without, whole->data + end, whole->size - end);
    snprintf (expected, sizeof (expected), "tensor '%s' is missing",
        ggml.model->tensors[i].ggml_name);
    expect_ggml_error (&without, NPU_EFORMAT, expected);
    buffer_clear (&without);
  }
  ggml_clear (&ggml);
}
END_TEST

START_TEST (no_tensor_may_be_there_twice_or_be_unknown)
{
  Ggml ggml = ggml_new (WRITE_Q4_0);
  const Buffer *whole = &ggml.buffer;
  const size_t start = ggml.layout.tensors[3];
  char expected[100];
  Buffer more = { 0 };

  buffer_add (&more, whole->data, whole->size);
  buffer_add (&more, whole->data + start, ggml.layout.tensors[4] - start);
  snprintf (expected, sizeof (expected), "tensor '%s' is there twice",
      ggml.model->tensors[3].ggml_name);
  expect_ggml_error (&more, NPU_EFORMAT, expected);
  buffer_clear (&more);

  /* control characters and broken UTF-8 do not get into the message */
  memcpy (whole->data + ggml.layout.tensor_data[3] - 4, "\n\x1b\xff\x01", 4);
  expect_ggml_error (whole, NPU_EFORMAT, "?" "?" "?" "?' does not belong");
  memcpy (whole->data + ggml.layout.tensor_data[3] - 4, "\0abc", 4);
  expect_ggml_error (whole, NPU_EFORMAT, "does not belong");
  ggml_clear (&ggml);
}
END_TEST

START_TEST (rubbish_after_the_last_tensor_is_refused)
{
  Ggml ggml = ggml_new (WRITE_Q4_0);

  for (size_t i = 1; i < 20; i++) {
    buffer_add (&ggml.buffer, "\1", 1);
    expect_ggml_error (&ggml.buffer, NPU_EFORMAT, "");
  }
  ggml_clear (&ggml);
}
END_TEST

/* Makes the file shorter, byte by byte, and opens it each time. In the bulk of
 * filters and weights only every 41st length is tried. */
static void
truncate_at_every_length (const char *file, size_t size, const char *opened)
{
  for (size_t length = size; length-- > 0;) {
    NpuModelFile *model;
    NpuError error;

    if (length % 41 && length > 600 && length < size - 500)
      continue;
    ck_assert_int_eq (truncate (file, (off_t) length), 0);
    ck_assert_msg (npu_model_file_open (opened, &model, &error)
        == NPU_EFORMAT, "%zu of %zu bytes: %s", length, size, error.message);
    ck_assert_ptr_null (model);
    ck_assert_msg (strstr (error.message, "missing")
        || strstr (error.message, "ends") || strstr (error.message, "empty"),
        "%s", error.message);
  }
}

START_TEST (ggml_file_of_every_shorter_length_is_refused)
{
  Ggml ggml = ggml_new (WRITE_Q4_0);
  const char *path = test_path ("shorter.bin");

  write_file (path, ggml.buffer.data, ggml.buffer.size);
  truncate_at_every_length (path, ggml.buffer.size, path);
  ggml_clear (&ggml);
}
END_TEST

static WrittenModel *
save_directory (const char *folder)
{
  WrittenModel *model = written_model_new (&model_spec_small);

  test_path_in (folder, "");
  written_model_save (model, test_path (folder));
  return model;
}

START_TEST (weights_of_every_shorter_length_are_refused)
{
  WrittenModel *model = save_directory ("shorter");
  char path[8200];
  struct stat status;

  snprintf (path, sizeof (path), "%s", test_path_in ("shorter",
          "model.safetensors"));
  ck_assert_int_eq (stat (path, &status), 0);
  truncate_at_every_length (path, (size_t) status.st_size,
      test_path ("shorter"));
  written_model_free (model);
}
END_TEST

/* @text with the first @find replaced; to be freed. */
static char *
replaced (const char *text, const char *find, const char *replacement)
{
  const char *at = strstr (text, find);
  Buffer buffer = { 0 };

  ck_assert_msg (at != NULL, "'%s' is not in '%.100s...'", find, text);
  buffer_add (&buffer, text, (size_t) (at - text));
  buffer_add (&buffer, replacement, strlen (replacement));
  buffer_add (&buffer, at + strlen (find), strlen (at + strlen (find)) + 1);
  return (char *) buffer.data;
}

typedef struct
{
  const char *find, *replacement;
  NpuStatus status;
  const char *message;
} Replacement;

START_TEST (config_json_is_checked)
{
  static const Replacement rows[] = {
    {"\"whisper\"", "\"llama\"", NPU_ENOTSUP, "llama"},
    {"\"whisper\"", "7", NPU_ENOTSUP, "model_type"},
    {"\"gelu\"", "\"relu\"", NPU_ENOTSUP, "activation_function"},
    {"\"gelu\"", "1", NPU_ENOTSUP, "activation_function"},
    {"\"scale_embedding\": false", "\"scale_embedding\": true", NPU_ENOTSUP,
        "scale_embedding"},
    {"\"scale_embedding\": false", "\"scale_embedding\": 0", NPU_EFORMAT,
        "scale_embedding"},
    {"\"scale_embedding\": false", "\"tie_word_embeddings\": false",
        NPU_ENOTSUP, "tie_word_embeddings"},
    {"\"num_mel_bins\": 80", "\"num_mel_bins\": 40", NPU_ENOTSUP,
        "40 mel bands"},
    {"\"num_mel_bins\": 80", "\"num_mel_bins\": 128", NPU_EFORMAT,
        "conv1.weight"},
    {"\"num_mel_bins\": 80,", "", NPU_EFORMAT, "lacks num_mel_bins"},
    {"\"d_model\": 32", "\"d_model\": null", NPU_EFORMAT, "lacks d_model"},
    {"\"d_model\": 32", "\"d_model\": 32.0", NPU_EFORMAT, "d_model"},
    {"\"d_model\": 32", "\"d_model\": \"32\"", NPU_EFORMAT, "d_model"},
    {"\"d_model\": 32", "\"d_model\": -32", NPU_EFORMAT, "d_model is -32"},
    {"\"d_model\": 32", "\"d_model\": 4294967328", NPU_EFORMAT, "d_model"},
    {"\"d_model\": 32", "\"d_model\": 99999999999999999999", NPU_EFORMAT,
        "config.json, line"},
    {"\"d_model\": 32", "\"d_model\": 64", NPU_EFORMAT, "shape"},
    {"\"vocab_size\": 40", "\"vocab_size\": 41", NPU_EFORMAT, "shape"},
    {"\"vocab_size\": 40", "\"vocab_size\": 9999999", NPU_EFORMAT,
        "vocab_size is"},
    {"\"encoder_layers\": 1", "\"encoder_layers\": 2", NPU_EFORMAT,
        "15 of 65 tensors are missing"},
    {"\"encoder_layers\": 1", "\"encoder_layers\": 65", NPU_EFORMAT,
        "encoder_layers is 65"},
    {"\"decoder_layers\": 1", "\"decoder_layers\": 0", NPU_EFORMAT,
        "decoder_layers is 0"},
    {"\"encoder_attention_heads\": 2", "\"encoder_attention_heads\": 3",
        NPU_EFORMAT, "3 heads"},
    {"\"decoder_attention_heads\": 2", "\"decoder_attention_heads\": 1",
        NPU_ENOTSUP, "head sizes"},
    {"\"encoder_ffn_dim\": 128", "\"encoder_ffn_dim\": 64", NPU_EFORMAT,
        "shape"},
    {"\"decoder_ffn_dim\": 128", "\"decoder_ffn_dim\": 1", NPU_EFORMAT,
        "decoder_ffn_dim is 1"},
    {"\"max_source_positions\": 4", "\"max_source_positions\": 5",
        NPU_EFORMAT, "embed_positions"},
    {"\"max_target_positions\": 8", "\"max_target_positions\": 4097",
        NPU_EFORMAT, "max_target_positions is 4097"},
    {"\"gst_npu\": {", "\"gst_npu\": 1, \"x\": {", NPU_EFORMAT, "gst_npu"},
    {"\"heard\"", "\"some\"", NPU_EFORMAT, "gst_npu.context"},
    {"\"heard\"", "true", NPU_EFORMAT, "gst_npu.context"},
    {"\"context_step\": 2", "\"context_step\": 0", NPU_EFORMAT,
        "context_step"},
    {"\"context_step\": 2", "\"context_step\": 5", NPU_EFORMAT,
        "context_step"},
    {"\"context_step\": 2", "\"context_step\": \"2\"", NPU_EFORMAT,
        "context_step"},
    {"{", "[", NPU_EFORMAT, "config.json, line"},
    {"{", "{\"d_model\": 1, ", NPU_EFORMAT, "duplicate"},
    {"{", "", NPU_EFORMAT, "config.json, line"},
  };
  WrittenModel *model = save_directory ("config");
  char *config = written_model_config_json (model);

  for (size_t i = 0; i < COUNT (rows); i++) {
    char *damaged = replaced (config, rows[i].find, rows[i].replacement);

    write_text (test_path_in ("config", "config.json"), damaged);
    expect_error (test_path ("config"), rows[i].status, rows[i].message);
    free (damaged);
  }
  free (config);
  written_model_free (model);
}
END_TEST

START_TEST (alignment_heads_are_checked)
{
  static const Replacement rows[] = {
    {"[0, 1]", "[64, 0]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 0]", "[0, 2]", NPU_EFORMAT, "alignment_heads[1]"},
    {"[0, 1]", "[-1, 0]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 1]", "[0, 4294967296]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 1]", "[0]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 1]", "[0, 1, 1]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 1]", "[0, \"1\"]", NPU_EFORMAT, "alignment_heads[0]"},
    {"[0, 1]", "0", NPU_EFORMAT, "alignment_heads[0]"},
    {"[[0, 1], [0, 0]]", "{}", NPU_EFORMAT, "alignment_heads"},
  };
  WrittenModel *model = save_directory ("heads");
  char *config = written_model_generation_config_json (model);

  for (size_t i = 0; i < COUNT (rows); i++) {
    char *damaged = replaced (config, rows[i].find, rows[i].replacement);

    write_text (test_path_in ("heads", "generation_config.json"), damaged);
    expect_error (test_path ("heads"), rows[i].status, rows[i].message);
    free (damaged);
  }
  free (config);
  written_model_free (model);
}
END_TEST

static void
write_safetensors (const char *folder, const char *header, const Buffer * data)
{
  Buffer file = { 0 };

  buffer_add_u32 (&file, (uint32_t) strlen (header));
  buffer_add_u32 (&file, 0);
  buffer_add (&file, header, strlen (header));
  buffer_add (&file, data->data, data->size);
  write_file (test_path_in (folder, "model.safetensors"), file.data,
      file.size);
  buffer_clear (&file);
}

START_TEST (lies_in_the_header_of_safetensors_are_found)
{
  static const char first[] = "\"model.encoder.embed_positions.weight\":"
      "{\"dtype\":\"F32\",\"shape\":[4,32],\"data_offsets\":[0,512]}";
  static const struct
  {
    const char *entry;          /* in place of the first, 512 bytes long */
    NpuStatus status;
    const char *message;
  } rows[] = {
#define ENTRY(dtype, shape, offsets) \
  "\"model.encoder.embed_positions.weight\":{\"dtype\":" dtype ",\"shape\":" \
  shape ",\"data_offsets\":" offsets "}"
    {ENTRY ("\"F16\"", "[4,32]", "[0,512]"), NPU_EFORMAT, "need 256 bytes"},
    {ENTRY ("\"F16\"", "[4,64]", "[0,512]"), NPU_EFORMAT, "has the shape"},
    {ENTRY ("\"F64\"", "[2,32]", "[0,512]"), NPU_ENOTSUP, "dtype F64"},
    {ENTRY ("\"I32\"", "[4,32]", "[0,512]"), NPU_ENOTSUP, "dtype I32"},
    {ENTRY ("\"F8_E4M3\"", "[16,32]", "[0,512]"), NPU_ENOTSUP, "F8_E4M3"},
    {ENTRY ("\"\"", "[4,32]", "[0,512]"), NPU_ENOTSUP, "dtype"},
    {ENTRY ("1", "[4,32]", "[0,512]"), NPU_EFORMAT, "dtype"},
    {ENTRY ("\"F32\"", "[32,4]", "[0,512]"), NPU_EFORMAT, "has the shape"},
    {ENTRY ("\"F32\"", "[128]", "[0,512]"), NPU_EFORMAT, "has the shape"},
    {ENTRY ("\"F32\"", "[4,32,1]", "[0,516]"), NPU_EFORMAT, "need 512"},
    {ENTRY ("\"F32\"", "[1,1,4,32]", "[0,512]"), NPU_EFORMAT, "1 to 3"},
    {ENTRY ("\"F32\"", "[1,1,1,1,1,1,1,4,32]", "[0,512]"), NPU_EFORMAT,
        "at most 8"},
    {ENTRY ("\"F32\"", "[]", "[0,512]"), NPU_EFORMAT, "need 4 bytes"},
    {ENTRY ("\"F32\"", "[-4,-32]", "[0,512]"), NPU_EFORMAT, "not a count"},
    {ENTRY ("\"F32\"", "[4,32.0]", "[0,512]"), NPU_EFORMAT, "not a count"},
    {ENTRY ("\"F32\"", "[4,\"32\"]", "[0,512]"), NPU_EFORMAT, "not a count"},
    {ENTRY ("\"F32\"", "128", "[0,512]"), NPU_EFORMAT, "shape"},
    {ENTRY ("\"F32\"", "[4294967296,4294967296]", "[0,512]"), NPU_EFORMAT,
        "too large"},
    {ENTRY ("\"F32\"", "[9223372036854775807,9]", "[0,512]"), NPU_EFORMAT,
        "too large"},
    {ENTRY ("\"F32\"", "[4611686018427387904]", "[0,512]"), NPU_EFORMAT,
        "too large"},
    {ENTRY ("\"F32\"", "[4,32]", "[512,0]"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "[-512,0]"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "[0,512,1]"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "[0]"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "512"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "[0.0,512.0]"), NPU_EFORMAT, "ascending"},
    {ENTRY ("\"F32\"", "[4,32]", "[0,511]"), NPU_EFORMAT, "give 511"},
    {ENTRY ("\"F32\"", "[4,32]", "[4,516]"), NPU_EFORMAT, "gap"},
    {ENTRY ("\"F32\"", "[4,32]", "[512,1024]"), NPU_EFORMAT, "data_offsets"},
    {ENTRY ("\"F32\"", "[4,32]",
          "[9223372036854775295,9223372036854775807]"), NPU_EFORMAT, "gap"},
    {ENTRY ("\"F32\"", "[4,32]", "[0,512]") ","
          ENTRY ("\"F32\"", "[4,32]", "[0,512]"), NPU_EFORMAT, "duplicate"},
    {"\"encoder.embed_positions.weight\":{\"dtype\":\"U8\",\"shape\":[0],"
          "\"data_offsets\":[0,0]}," ENTRY ("\"F32\"", "[4,32]", "[0,512]"),
        NPU_ENOTSUP, "dtype U8"},
    {"\"a\":{\"dtype\":\"U8\",\"shape\":[100],\"data_offsets\":[100,200]},"
          ENTRY ("\"F32\"", "[4,32]", "[0,512]"), NPU_EFORMAT, "overlap"},
    {"\"a\":1", NPU_EFORMAT, "dtype"},
    {"\"a\":[]", NPU_EFORMAT, "dtype"},
    {"\"a\":{}", NPU_EFORMAT, "dtype"},
    {"\"b\":{\"dtype\":\"F32\",\"shape\":[4,32]}", NPU_EFORMAT, "ascending"},
    {"\"c\":{\"dtype\":\"F32\",\"data_offsets\":[0,512]}", NPU_EFORMAT,
        "shape"},
  };
  WrittenModel *model = save_directory ("lies");
  Buffer file = written_model_safetensors (model, 0, 1);
  uint32_t length;
  Buffer data;
  char *header;

  memcpy (&length, file.data, 4);
  header = strndup ((char *) file.data + 8, length);
  data = (Buffer) { file.data + 8 + length, file.size - 8 - length, 0 };
  for (size_t i = 0; i < COUNT (rows); i++) {
    char *damaged = replaced (header, first, rows[i].entry);

    write_safetensors ("lies", damaged, &data);
    expect_error (test_path ("lies"), rows[i].status, rows[i].message);
    free (damaged);
  }
  free (header);
  buffer_clear (&file);
  written_model_free (model);
}
END_TEST

START_TEST (length_of_the_header_of_safetensors_is_checked)
{
  static const uint64_t lengths[] = {
    0, 1, 7, 100, 1 << 24, (1 << 24) + 1, UINT32_MAX, INT64_MAX, UINT64_MAX,
    UINT64_MAX - 7,
  };
  WrittenModel *model = save_directory ("length");
  Buffer file = written_model_safetensors (model, 0, 1);

  for (size_t i = 0; i < COUNT (lengths); i++) {
    memcpy (file.data, &lengths[i], 8);
    write_file (test_path_in ("length", "model.safetensors"), file.data,
        file.size);
    expect_error (test_path ("length"), NPU_EFORMAT, "model.safetensors");
  }
  buffer_clear (&file);
  written_model_free (model);
}
END_TEST

START_TEST (deeply_nested_json_is_refused)
{
  const size_t depth = 1000000;
  char *nested = malloc (depth + 1);
  const Buffer none = { 0 };
  WrittenModel *model = save_directory ("nested");

  memset (nested, '[', depth);
  nested[depth] = '\0';
  write_safetensors ("nested", nested, &none);
  expect_error (test_path ("nested"), NPU_EFORMAT, "depth");
  write_text (test_path_in ("nested", "config.json"), nested);
  expect_error (test_path ("nested"), NPU_EFORMAT, "depth");
  free (nested);
  written_model_free (model);
}
END_TEST

START_TEST (index_of_parts_is_checked)
{
  static const struct
  {
    const char *index;
    NpuStatus status;
    const char *message;
  } rows[] = {
    {"{}", NPU_EFORMAT, "weight_map"},
    {"{\"weight_map\": []}", NPU_EFORMAT, "weight_map"},
    {"{\"weight_map\": {}}", NPU_EFORMAT, "are missing"},
    {"{\"weight_map\": {\"a\": 1}}", NPU_EFORMAT, "not a string"},
    {"{\"weight_map\": {\"a\": \"gone.safetensors\"}}", NPU_EIO,
        "gone.safetensors"},
    {"{\"weight_map\": {\"a\": \"\"}}", NPU_EFORMAT, "plain file name"},
    {"{\"weight_map\": {\"a\": \"..\"}}", NPU_EFORMAT, "plain file name"},
    {"{\"weight_map\": {\"a\": \"../secret\"}}", NPU_EFORMAT,
        "plain file name"},
    {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", NPU_EFORMAT,
        "plain file name"},
    {"{\"weight_map\": {\"a\": \"sub/part\"}}", NPU_EFORMAT,
        "plain file name"},
    {"{\"weight_map\": {\"a\": \"config.json\"}}", NPU_EFORMAT,
        "config.json claims a header"},
    {"{\"weight_map\": {\"a\": \"part\", \"b\": \"twin\"}}", NPU_EFORMAT,
        "is there twice"},
    {"{\"weight_map\": {\"a\": \"fifo\"}}", NPU_EIO, "not a regular file"},
    {"{\"weight_map\": {\"a\": \"folder\"}}", NPU_EIO, "not a regular file"},
  };
  WrittenModel *model = save_directory ("index");
  Buffer part = written_model_safetensors (model, 0, 1);

  unlink (test_path_in ("index", "model.safetensors"));
  write_file (test_path_in ("index", "part"), part.data, part.size);
  write_file (test_path_in ("index", "twin"), part.data, part.size);
  ck_assert_int_eq (mkfifo (test_path_in ("index", "fifo"), 0600), 0);
  mkdir (test_path_in ("index", "folder"), 0700);
  for (size_t i = 0; i < COUNT (rows); i++) {
    write_text (test_path_in ("index", "model.safetensors.index.json"),
        rows[i].index);
    expect_error (test_path ("index"), rows[i].status, rows[i].message);
  }
  unlink (test_path_in ("index", "model.safetensors.index.json"));
  expect_error (test_path ("index"), NPU_EFORMAT, "has neither");
  ck_assert_int_eq (symlink ("../blobs/gone",
          test_path_in ("index", "model.safetensors")), 0);
  expect_error (test_path ("index"), NPU_EIO, "download the model again");
  unlink (test_path_in ("index", "config.json"));
  expect_error (test_path ("index"), NPU_EFORMAT, "has no config.json");
  buffer_clear (&part);
  written_model_free (model);
}
END_TEST

START_TEST (what_is_no_file_is_refused)
{
  expect_error (test_path ("nothing"), NPU_EIO, "No such file");
  expect_error ("", NPU_EIO, "No such file");
  expect_error ("/dev/null", NPU_EIO, "not a regular file");
  ck_assert_int_eq (mkfifo (test_path ("fifo"), 0600), 0);
  expect_error (test_path ("fifo"), NPU_EIO, "not a regular file");
  write_text (test_path ("empty"), "");
  expect_error (test_path ("empty"), NPU_EFORMAT, "empty");
  write_text (test_path ("text"), "{\"model_type\": \"whisper\"}");
  expect_error (test_path ("text"), NPU_EFORMAT, "not a ggml model");
}
END_TEST

START_TEST (long_paths_leave_room_for_the_reason)
{
  char path[3000];
  NpuModelFile *file;
  NpuError error;

  memset (path, 'a', sizeof (path));
  for (size_t i = 0; i < sizeof (path); i += 100)
    path[i] = '/';
  memcpy (path + sizeof (path) - 20, "\xc3\xa4\xff/model.bin", 14);
  ck_assert_int_eq (npu_model_file_open (path, &file, &error), NPU_EIO);
  ck_assert_msg (strstr (error.message, "No such file") != NULL
      && strstr (error.message, "?/model.bin") != NULL, "%s", error.message);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("model-hostile");
  TCase *tcase = tcase_create ("general");

  tcase_add_test (tcase, every_number_of_the_header_is_checked);
  tcase_add_test (tcase, filters_and_vocabulary_are_checked);
  tcase_add_test (tcase, heads_of_tensors_are_checked);
  tcase_add_test (tcase,
      types_that_need_more_bytes_than_there_are_are_refused);
  tcase_add_test (tcase, quantised_types_are_checked);
  tcase_add_test (tcase, no_tensor_may_be_missing);
  tcase_add_test (tcase, no_tensor_may_be_there_twice_or_be_unknown);
  tcase_add_test (tcase, rubbish_after_the_last_tensor_is_refused);
  tcase_add_test (tcase, ggml_file_of_every_shorter_length_is_refused);
  tcase_add_test (tcase, weights_of_every_shorter_length_are_refused);
  tcase_add_test (tcase, config_json_is_checked);
  tcase_add_test (tcase, alignment_heads_are_checked);
  tcase_add_test (tcase, lies_in_the_header_of_safetensors_are_found);
  tcase_add_test (tcase, length_of_the_header_of_safetensors_is_checked);
  tcase_add_test (tcase, deeply_nested_json_is_refused);
  tcase_add_test (tcase, index_of_parts_is_checked);
  tcase_add_test (tcase, what_is_no_file_is_refused);
  tcase_add_test (tcase, long_paths_leave_room_for_the_reason);
  suite_add_tcase (suite, tcase);
  test_folder ();
  return run_suite (suite);
}
