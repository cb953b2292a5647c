/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Vocabularies: small ones in every form, Whisper's own from the test files of
 * whisper.cpp (in NPU_SHARED_DATA), and damaged ones.
 */
#include "model/tokenizer.h"
#include "model-writer.h"

#include <check.h>
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

static NpuTokenizer *
open_tokenizer (const char *path)
{
  NpuModelFile *file = open_model (path);
  NpuTokenizer *tokenizer;
  NpuError error = { 0 };
  NpuStatus status = npu_tokenizer_new (file, &tokenizer, &error);

  ck_assert_msg (status == NPU_OK, "%s", error.message);
  /* the tokenizer must not need the file any more */
  npu_model_file_unref (file);
  return tokenizer;
}

static void
check_bytes (const NpuTokenizer * tokenizer, int32_t token, const char *text)
{
  size_t size;
  const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, token, &size);

  ck_assert_ptr_nonnull (bytes);
  ck_assert_msg (size == strlen (text) && !memcmp (bytes, text, size),
      "token %d is '%.*s', not '%s'", token, (int) size, bytes, text);
}

static void
check_list (const int32_t * tokens, size_t count, const int32_t * expected,
    size_t expected_count)
{
  ck_assert_uint_eq (count, expected_count);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg (tokens[i] == expected[i], "element %zu is %d, not %d", i,
        tokens[i], expected[i]);
}

#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))

static void
check_suppressed (const NpuTokenizer * tokenizer, const int32_t * expected,
    size_t expected_count)
{
  size_t count;
  const int32_t *tokens = npu_tokenizer_suppressed (tokenizer, &count);

  check_list (tokens, count, expected, expected_count);
}

static void
check_begin_suppressed (const NpuTokenizer * tokenizer, int32_t first,
    int32_t second)
{
  const int32_t expected[] = { first, second };
  size_t count;
  const int32_t *tokens = npu_tokenizer_begin_suppressed (tokenizer, &count);

  check_list (tokens, count, expected, COUNT (expected));
}

static void
check_small (const NpuTokenizer * tokenizer)
{
  const NpuSpecialTokens *special = npu_tokenizer_special (tokenizer);
  size_t size;

  ck_assert_int_eq (npu_tokenizer_size (tokenizer), 40);
  ck_assert_int_eq (special->end_of_text, SMALL_END_OF_TEXT);
  ck_assert_int_eq (special->start_of_transcript, SMALL_START_OF_TRANSCRIPT);
  ck_assert_int_eq (special->translate, SMALL_TRANSLATE);
  ck_assert_int_eq (special->transcribe, SMALL_TRANSCRIBE);
  ck_assert_int_eq (special->start_of_lm, SMALL_START_OF_LM);
  ck_assert_int_eq (special->start_of_previous, SMALL_START_OF_PREVIOUS);
  ck_assert_int_eq (special->no_speech, SMALL_NO_SPEECH);
  ck_assert_int_eq (special->no_timestamps, SMALL_NO_TIMESTAMPS);
  ck_assert_int_eq (special->first_timestamp, SMALL_FIRST_TIMESTAMP);
  ck_assert_int_eq (special->timestamp_count, 5);
  ck_assert (npu_tokenizer_multilingual (tokenizer));

  for (int32_t i = 0; i < SMALL_WORD_COUNT; i++) {
    check_bytes (tokenizer, SMALL_WORDS + i, small_words[i].bytes);
    ck_assert (npu_tokenizer_is_text (tokenizer, SMALL_WORDS + i));
  }
  for (int32_t i = 0; i < SMALL_WORDS; i++) {
    bool timestamp = i >= SMALL_FIRST_TIMESTAMP
        && i < SMALL_FIRST_TIMESTAMP + 5;

    check_bytes (tokenizer, i, "");
    ck_assert (!npu_tokenizer_is_text (tokenizer, i));
    ck_assert_int_eq (npu_tokenizer_is_timestamp (tokenizer, i), timestamp);
  }
  check_bytes (tokenizer, 39, "");
  ck_assert (!npu_tokenizer_is_text (tokenizer, 39));
  ck_assert_ptr_null (npu_tokenizer_bytes (tokenizer, 40, &size));
  ck_assert_ptr_null (npu_tokenizer_bytes (tokenizer, -1, &size));
  ck_assert_uint_eq (size, 0);
  ck_assert (!npu_tokenizer_is_text (tokenizer, 40));
  ck_assert (!npu_tokenizer_is_text (tokenizer, -1));
  ck_assert (!npu_tokenizer_is_timestamp (tokenizer, -1));
}

static void
check_small_languages (const NpuTokenizer * tokenizer)
{
  const NpuSpecialTokens *special = npu_tokenizer_special (tokenizer);

  /* "de" follows "en" in the vocabulary, though not in Whisper's list */
  ck_assert_int_eq (special->first_language, SMALL_ENGLISH);
  ck_assert_int_eq (special->language_count, 2);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "en"),
      SMALL_ENGLISH);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "de-AT"),
      SMALL_GERMAN);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "EN_us"),
      SMALL_ENGLISH);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "fr"),
      NPU_TOKEN_NONE);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, ""),
      NPU_TOKEN_NONE);
  ck_assert_str_eq (npu_tokenizer_language_code (tokenizer, SMALL_GERMAN),
      "de");
  ck_assert_ptr_null (npu_tokenizer_language_code (tokenizer,
          SMALL_TRANSLATE));
  ck_assert_ptr_null (npu_tokenizer_language_code (tokenizer, -1));
}

static const int32_t small_special[] = {
  SMALL_START_OF_TRANSCRIPT, SMALL_TRANSLATE, SMALL_TRANSCRIBE,
  SMALL_START_OF_LM, SMALL_START_OF_PREVIOUS, SMALL_NO_SPEECH,
};

/* The special tokens that are always suppressed, and @a and @b. */
static void
check_small_suppressed (const NpuTokenizer * tokenizer, int32_t a, int32_t b)
{
  int32_t expected[COUNT (small_special) + 2];

  memcpy (expected, small_special, sizeof (small_special));
  expected[COUNT (small_special)] = a;
  expected[COUNT (small_special) + 1] = b;
  check_suppressed (tokenizer, expected, COUNT (expected));
}

static WrittenModel *
save_small (const char *folder)
{
  WrittenModel *model = written_model_new (&model_spec_small);

  test_path_in (folder, "");
  written_model_save (model, test_path (folder));
  return model;
}

START_TEST (tokenizer_json_gives_bytes_and_special_tokens)
{
  WrittenModel *model = save_small ("tokenizer-json");
  NpuTokenizer *tokenizer = open_tokenizer (test_path ("tokenizer-json"));

  check_small (tokenizer);
  check_small_languages (tokenizer);
  check_small_suppressed (tokenizer, SMALL_WORDS + 1, SMALL_WORDS + 2);
  check_begin_suppressed (tokenizer, SMALL_END_OF_TEXT, SMALL_WORDS);
  npu_tokenizer_free (tokenizer);
  written_model_free (model);
}
END_TEST

START_TEST (vocab_json_with_added_tokens_is_the_same)
{
  WrittenModel *model = save_small ("vocab-json");
  char *vocabulary = written_model_vocab_json (model);
  char *added = written_model_added_tokens_json (model);
  NpuTokenizer *tokenizer;

  unlink (test_path_in ("vocab-json", "tokenizer.json"));
  write_text (test_path_in ("vocab-json", "vocab.json"), vocabulary);
  write_text (test_path_in ("vocab-json", "added_tokens.json"), added);
  tokenizer = open_tokenizer (test_path ("vocab-json"));
  check_small (tokenizer);
  check_small_languages (tokenizer);
  check_small_suppressed (tokenizer, SMALL_WORDS + 1, SMALL_WORDS + 2);
  npu_tokenizer_free (tokenizer);
  free (vocabulary);
  free (added);
  written_model_free (model);
}
END_TEST

START_TEST (small_ggml_vocabulary_goes_by_names)
{
  WrittenModel *model = written_model_new (&model_spec_small);
  Buffer buffer = written_model_ggml (model, NULL);
  NpuTokenizer *tokenizer;

  write_file (test_path ("small.bin"), buffer.data, buffer.size);
  tokenizer = open_tokenizer (test_path ("small.bin"));
  check_small (tokenizer);
  check_small_languages (tokenizer);
  /* by the rule: " -" and the quotation mark */
  check_small_suppressed (tokenizer, SMALL_WORDS + 8, SMALL_WORDS + 9);
  check_begin_suppressed (tokenizer, SMALL_END_OF_TEXT, SMALL_WORDS);
  npu_tokenizer_free (tokenizer);
  buffer_clear (&buffer);
  written_model_free (model);
}
END_TEST

START_TEST (timestamps_that_are_not_listed_follow_notimestamps)
{
  WrittenModel *model = save_small ("implied");
  NpuTokenizer *tokenizer;

  write_text (test_path_in ("implied", "tokenizer.json"),
      "{\"model\": {\"vocab\": {\"a\": 0, \"<|endoftext|>\": 1}},"
      "\"added_tokens\": [{\"id\": 2, \"content\": \"<|startoftranscript|>\"},"
      "{\"id\": 3, \"content\": \"<|nocaptions|>\"},"
      "{\"id\": 20, \"content\": \"<|notimestamps|>\"}]}");
  write_text (test_path_in ("implied", "generation_config.json"),
      "{\"suppress_tokens\": null, \"begin_suppress_tokens\": []}");
  tokenizer = open_tokenizer (test_path ("implied"));
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->no_speech, 3);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->first_timestamp, 21);
  /* as many as the window has positions, and one */
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->timestamp_count, 5);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->translate,
      NPU_TOKEN_NONE);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->language_count, 0);
  ck_assert (!npu_tokenizer_multilingual (tokenizer));
  ck_assert (!npu_tokenizer_is_timestamp (tokenizer, 20));
  ck_assert (npu_tokenizer_is_timestamp (tokenizer, 25));
  ck_assert (!npu_tokenizer_is_timestamp (tokenizer, 26));
  ck_assert (!npu_tokenizer_is_text (tokenizer, 21));
  /* suppress_tokens of config.json, in place of the null */
  check_suppressed (tokenizer, (int32_t[]) {2, 3, SMALL_WORDS}, 3);
  npu_tokenizer_free (tokenizer);
  written_model_free (model);
}
END_TEST

START_TEST (all_bytes_have_their_character)
{
  /* GPT-2's table: what is printable in Latin-1 stands for itself, the other
   * bytes follow from U+0100 on */
  ModelSpec spec = model_spec_small;
  WrittenModel *model;
  NpuTokenizer *tokenizer;
  Buffer json = { 0 };
  unsigned next = 0x100;
  const char *end = ", \"<|endoftext|>\": 256, \"<|startoftranscript|>\": 257, "
      "\"\\u4e2d\": 258}";

  spec.vocabulary = 300;
  model = written_model_new (&spec);
  test_path_in ("bytes", "");
  written_model_save (model, test_path ("bytes"));
  unlink (test_path_in ("bytes", "tokenizer.json"));
  unlink (test_path_in ("bytes", "generation_config.json"));
  for (unsigned byte = 0; byte < 256; byte++) {
    bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    char entry[32];

    snprintf (entry, sizeof (entry), "%s\"\\u%04x\": %u", byte ? ", " : "{",
        printable ? byte : next++, byte);
    buffer_add (&json, entry, strlen (entry));
  }
  buffer_add (&json, end, strlen (end));
  write_file (test_path_in ("bytes", "vocab.json"), json.data, json.size);
  tokenizer = open_tokenizer (test_path ("bytes"));
  for (int32_t i = 0; i < 256; i++) {
    size_t size;
    const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, i, &size);

    ck_assert_uint_eq (size, 1);
    ck_assert_uint_eq (bytes[0], (unsigned) i);
  }
  /* a character that stands for no byte is taken as it is */
  check_bytes (tokenizer, 258, "\xe4\xb8\xad");
  npu_tokenizer_free (tokenizer);
  buffer_clear (&json);
  written_model_free (model);
}
END_TEST

/* A damaged vocabulary: the model opens, the tokenizer says why not. */
static void
expect_error (const char *folder, NpuStatus expected, const char *message)
{
  NpuModelFile *file = open_model (test_path (folder));
  NpuTokenizer *tokenizer;
  NpuError error = { 0 };
  NpuStatus status = npu_tokenizer_new (file, &tokenizer, &error);

  ck_assert_msg (status == expected, "%s: %s", npu_status_name (status),
      error.message);
  ck_assert_ptr_null (tokenizer);
  ck_assert_msg (strstr (error.message, message) != NULL, "%s",
      error.message);
  ck_assert_msg (strstr (error.message, folder) != NULL, "%s",
      error.message);
  ck_assert_int_eq (npu_tokenizer_new (file, &tokenizer, NULL), expected);
  npu_model_file_unref (file);
}

START_TEST (damaged_vocabularies_are_refused_with_a_reason)
{
  static const struct
  {
    const char *json, *message;
    NpuStatus status;
  } rows[] = {
    {"", "tokenizer.json is empty", NPU_EFORMAT},
    {"{", "tokenizer.json, line 1", NPU_EFORMAT},
    {"[]", "not a JSON object", NPU_EFORMAT},
    {"{}", "not an object", NPU_EFORMAT},
    {"{\"model\": 3}", "not an object", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": []}}", "not an object", NPU_EFORMAT},
    {"{\"model\": {\"type\": \"Unigram\", \"vocab\": {}}}", "Unigram",
        NPU_ENOTSUP},
    {"{\"model\": {\"vocab\": {}}}", "<|endoftext|>", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"<|endoftext|>\": 0}}}",
        "<|startoftranscript|>", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": 40}}}", "below vocab_size", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": -1}}}", "below vocab_size", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": 99999999999}}}", "below vocab_size",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": 1.0}}}", "not an integer", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": \"1\"}}}", "not an integer",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": 1, \"b\": 1}}}", "two tokens",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"a\": 1, \"a\": 2}}}", "duplicate",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {}}, \"added_tokens\": {}}", "not an array",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {}}, \"added_tokens\": [1]}", "added token",
        NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {}}, \"added_tokens\": [{\"id\": 1}]}",
        "added token", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {}}, \"added_tokens\": [{\"id\": 40, "
          "\"content\": \"x\"}]}", "below vocab_size", NPU_EFORMAT},
    {"{\"model\": {\"vocab\": {\"\xff\": 1}}}", "0xff", NPU_EFORMAT},
  };
  WrittenModel *model = save_small ("damaged");

  for (size_t i = 0; i < COUNT (rows); i++) {
    write_text (test_path_in ("damaged", "tokenizer.json"), rows[i].json);
    expect_error ("damaged", rows[i].status, rows[i].message);
  }
  unlink (test_path_in ("damaged", "tokenizer.json"));
  expect_error ("damaged", NPU_EFORMAT, "neither tokenizer.json nor");
  written_model_free (model);
}
END_TEST

START_TEST (damaged_generation_configs_are_refused_with_a_reason)
{
  static const char *const rows[][2] = {
    {"{\"suppress_tokens\": 3}", "suppress_tokens is not an array"},
    {"{\"suppress_tokens\": [40]}", "suppress_tokens[0]"},
    {"{\"suppress_tokens\": [1, -2]}", "suppress_tokens[1]"},
    {"{\"suppress_tokens\": [\"1\"]}", "suppress_tokens[0]"},
    {"{\"begin_suppress_tokens\": [1, 99999999999]}",
        "begin_suppress_tokens[1]"},
    {"{\"is_multilingual\": 1}", "is_multilingual"},
  };
  WrittenModel *model = save_small ("generation");

  for (size_t i = 0; i < COUNT (rows); i++) {
    write_text (test_path_in ("generation", "generation_config.json"),
        rows[i][0]);
    expect_error ("generation", NPU_EFORMAT, rows[i][1]);
  }
  /* -1 stands for the rule */
  write_text (test_path_in ("generation", "generation_config.json"),
      "{\"suppress_tokens\": [-1]}");
  {
    NpuTokenizer *tokenizer = open_tokenizer (test_path ("generation"));

    check_small_suppressed (tokenizer, SMALL_WORDS + 8, SMALL_WORDS + 9);
    npu_tokenizer_free (tokenizer);
  }
  written_model_free (model);
}
END_TEST

/* The vocabulary of one of whisper.cpp's test files, from its count on; empty
 * when the files are not there. */
static Buffer
published_vocabulary (const char *name, size_t bands)
{
  const char *folder = getenv ("NPU_SHARED_DATA");
  const size_t start = 4 * 12 + 4 * 2 + 4 * 201 * bands;
  Buffer buffer = { 0 };
  char path[4096];
  FILE *file;
  int byte;

  snprintf (path, sizeof (path), "%s/%s", folder ? folder : "", name);
  file = fopen (path, "rb");
  if (!file) {
    printf ("skipped: %s is not there (NPU_SHARED_DATA)\n", path);
    return buffer;
  }
  fseek (file, (long) start, SEEK_SET);
  while ((byte = getc (file)) != EOF) {
    uint8_t value = (uint8_t) byte;

    buffer_add (&buffer, &value, 1);
  }
  fclose (file);
  return buffer;
}

static NpuTokenizer *
open_published (const ModelSpec * spec, const Buffer * vocabulary)
{
  WrittenModel *model = written_model_new (spec);

  written_model_save_sparse_ggml (model, test_path ("published.bin"),
      vocabulary);
  written_model_free (model);
  return open_tokenizer (test_path ("published.bin"));
}

static void
check_special (const NpuTokenizer * tokenizer, int32_t end_of_text,
    int32_t languages)
{
  const NpuSpecialTokens *special = npu_tokenizer_special (tokenizer);
  const int32_t start = end_of_text + 1, translate = start + 1 + languages;

  ck_assert_int_eq (special->end_of_text, end_of_text);
  ck_assert_int_eq (special->start_of_transcript, start);
  ck_assert_int_eq (special->first_language, start + 1);
  ck_assert_int_eq (special->language_count, languages);
  ck_assert_int_eq (special->translate, translate);
  ck_assert_int_eq (special->transcribe, translate + 1);
  ck_assert_int_eq (special->start_of_lm, translate + 2);
  ck_assert_int_eq (special->start_of_previous, translate + 3);
  ck_assert_int_eq (special->no_speech, translate + 4);
  ck_assert_int_eq (special->no_timestamps, translate + 5);
  ck_assert_int_eq (special->first_timestamp, translate + 6);
  ck_assert_int_eq (special->timestamp_count, 1501);
  ck_assert_int_eq (special->first_timestamp + 1501,
      npu_tokenizer_size (tokenizer));
  for (int32_t i = end_of_text; i < npu_tokenizer_size (tokenizer); i++) {
    ck_assert (!npu_tokenizer_is_text (tokenizer, i));
    ck_assert_int_eq (npu_tokenizer_is_timestamp (tokenizer, i),
        i >= special->first_timestamp);
  }
}

/* As published in the generation configs. */
static const int32_t multilingual_suppressed[] = {
  1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90,
  91, 92, 93, 359, 503, 522, 542, 873, 893, 902, 918, 922, 931, 1350, 1853,
  1982, 2460, 2627, 3246, 3253, 3268, 3536, 3846, 3961, 4183, 4667, 6585,
  6647, 7273, 9061, 9383, 10428, 10929, 11938, 12033, 12331, 12562, 13793,
  14157, 14635, 15265, 15618, 16553, 16604, 18362, 18956, 20075, 21675, 22520,
  26130, 26161, 26435, 28279, 29464, 31650, 32302, 32470, 36865, 42863, 47425,
  49870, 50254,
};

static const int32_t english_suppressed[] = {
  1, 2, 7, 8, 9, 10, 14, 25, 26, 27, 28, 29, 31, 58, 59, 60, 61, 62, 63, 90,
  91, 92, 93, 357, 366, 438, 532, 685, 705, 796, 930, 1058, 1220, 1267, 1279,
  1303, 1343, 1377, 1391, 1635, 1782, 1875, 2162, 2361, 2488, 3467, 4008,
  4211, 4600, 4808, 5299, 5855, 6329, 7203, 9609, 9959, 10563, 10786, 11420,
  11709, 11907, 13163, 13697, 13700, 14808, 15306, 16410, 16791, 17992, 19203,
  19510, 20724, 22305, 22935, 27007, 30109, 30420, 33409, 34949, 40283, 40493,
  40549, 47282, 49146,
};

/* @listed and the six special tokens, of which the start comes first and the
 * others follow each other. */
static void
check_published_suppressed (const NpuTokenizer * tokenizer,
    const int32_t * listed, size_t count)
{
  const NpuSpecialTokens *special = npu_tokenizer_special (tokenizer);
  int32_t expected[100];

  memcpy (expected, listed, count * sizeof (*listed));
  expected[count++] = special->start_of_transcript;
  for (int32_t token = special->translate; token <= special->no_speech;
      token++)
    expected[count++] = token;
  check_suppressed (tokenizer, expected, count);
}

START_TEST (multilingual_vocabulary_has_whispers_special_tokens)
{
  const ModelSpec spec = { 80, 1500, 384, 6, 4, 448, 4, 51865, WRITE_F16, 1,
    true
  };
  Buffer vocabulary = published_vocabulary ("for-tests-ggml-tiny.bin", 80);
  NpuTokenizer *tokenizer;

  if (!vocabulary.size)
    return;
  tokenizer = open_published (&spec, &vocabulary);
  check_special (tokenizer, 50257, 99);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->transcribe, 50359);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->first_timestamp, 50364);
  ck_assert (npu_tokenizer_multilingual (tokenizer));
  check_published_suppressed (tokenizer, multilingual_suppressed,
      COUNT (multilingual_suppressed));
  check_begin_suppressed (tokenizer, 220, 50257);
  check_bytes (tokenizer, 0, "!");
  check_bytes (tokenizer, 220, " ");
  check_bytes (tokenizer, 2425, " Hello");
  check_bytes (tokenizer, 50256, "");
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "en"), 50259);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "su"), 50357);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "haw"), 50352);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "jv"), 50356);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "yue"),
      NPU_TOKEN_NONE);
  ck_assert_str_eq (npu_tokenizer_language_code (tokenizer, 50261), "de");
  npu_tokenizer_free (tokenizer);
  buffer_clear (&vocabulary);
}
END_TEST

START_TEST (english_vocabulary_has_whispers_special_tokens)
{
  const ModelSpec spec = { 80, 1500, 512, 8, 6, 448, 6, 51864, WRITE_F16, 1,
    true
  };
  Buffer vocabulary = published_vocabulary ("for-tests-ggml-base.en.bin", 80);
  NpuTokenizer *tokenizer;

  if (!vocabulary.size)
    return;
  tokenizer = open_published (&spec, &vocabulary);
  check_special (tokenizer, 50256, 99);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->no_speech, 50361);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->no_timestamps, 50362);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->first_timestamp, 50363);
  ck_assert (!npu_tokenizer_multilingual (tokenizer));
  check_published_suppressed (tokenizer, english_suppressed,
      COUNT (english_suppressed));
  check_begin_suppressed (tokenizer, 220, 50256);
  check_bytes (tokenizer, 50255, " gazed");
  check_bytes (tokenizer, 50256, "");
  npu_tokenizer_free (tokenizer);
  buffer_clear (&vocabulary);
}
END_TEST

START_TEST (large_vocabulary_has_one_language_more)
{
  const ModelSpec spec = { 128, 1500, 1280, 20, 32, 448, 32, 51866, WRITE_F16,
    1, true
  };
  Buffer vocabulary = published_vocabulary ("for-tests-ggml-tiny.bin", 80);
  NpuTokenizer *tokenizer;

  if (!vocabulary.size)
    return;
  tokenizer = open_published (&spec, &vocabulary);
  check_special (tokenizer, 50257, 100);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->transcribe, 50360);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->first_timestamp, 50365);
  ck_assert_int_eq (npu_tokenizer_language_token (tokenizer, "yue"), 50358);
  check_published_suppressed (tokenizer, multilingual_suppressed,
      COUNT (multilingual_suppressed));
  npu_tokenizer_free (tokenizer);
  buffer_clear (&vocabulary);
}
END_TEST

START_TEST (published_test_files_lack_only_their_tensors)
{
  static const char *const names[] = { "for-tests-ggml-tiny.bin",
    "for-tests-ggml-base.en.bin"
  };
  const char *folder = getenv ("NPU_SHARED_DATA");

  for (size_t i = 0; i < COUNT (names); i++) {
    char path[4096];
    NpuModelFile *file;
    NpuError error;

    snprintf (path, sizeof (path), "%s/%s", folder ? folder : "", names[i]);
    if (access (path, R_OK)) {
      printf ("skipped: %s is not there (NPU_SHARED_DATA)\n", path);
      continue;
    }
    ck_assert_int_eq (npu_model_file_open (path, &file, &error), NPU_EFORMAT);
    ck_assert_ptr_null (file);
    ck_assert_msg (strstr (error.message, "tensors are missing") != NULL
        && strstr (error.message, names[i]) != NULL, "%s", error.message);
  }
}
END_TEST

/* Bytes of the base64 text at @text, which ends at the first other character. */
static size_t
decode_base64 (const char *text, uint8_t * bytes)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
      "uvwxyz0123456789+/";
  unsigned bits = 0, count = 0;
  size_t written = 0;

  for (const char *digit; *text && (digit = strchr (digits, *text)); text++) {
    bits = bits << 6 | (unsigned) (digit - digits);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes[written++] = (uint8_t) (bits >> count);
    }
  }
  return written;
}

/* One byte as GPT-2's character for it, within a string of JSON. */
static void
add_byte_character (Buffer * json, unsigned byte)
{
  bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
  unsigned code = byte;
  char text[8];

  if (byte == '"' || byte == '\\') {
    snprintf (text, sizeof (text), "\\%c", (int) byte);
  } else {
    if (!printable)
      code = byte <= 32 ? 0x100 + byte
          : byte < 161 ? 0x121 + byte - 127 : 0x143;
    snprintf (text, sizeof (text), code < 128 ? "%c" : "\\u%04x",
        (int) code);
  }
  buffer_add (json, text, strlen (text));
}

#define TIKTOKEN_TOKENS 50257

typedef struct
{
  uint8_t bytes[256];
  size_t size;
} RankedToken;

/* OpenAI's ranks: lines of base64 and number. Returns NULL where they are not
 * there. */
static RankedToken *
read_tiktoken (const char *name)
{
  const char *folder = getenv ("NPU_SHARED_DATA");
  char path[4096], line[512];
  RankedToken *tokens;
  FILE *file;

  snprintf (path, sizeof (path), "%s/%s", folder ? folder : "", name);
  file = fopen (path, "r");
  if (!file) {
    printf ("skipped: %s is not there (NPU_SHARED_DATA)\n", path);
    return NULL;
  }
  tokens = calloc (TIKTOKEN_TOKENS, sizeof (*tokens));
  while (fgets (line, sizeof (line), file)) {
    const char *number = strchr (line, ' ');
    int token = number ? atoi (number) : 0;

    ck_assert (token >= 0 && token < TIKTOKEN_TOKENS);
    tokens[token].size = decode_base64 (line, tokens[token].bytes);
  }
  fclose (file);
  return tokens;
}

static void
write_byte_level_vocabulary (const RankedToken * tokens, const char *path)
{
  Buffer json = { 0 };

  for (int32_t i = 0; i < TIKTOKEN_TOKENS; i++) {
    char number[32];

    buffer_add (&json, i ? ",\n" : "{", i ? 2 : 1);
    buffer_add (&json, "\"", 1);
    for (size_t j = 0; j < tokens[i].size; j++)
      add_byte_character (&json, tokens[i].bytes[j]);
    snprintf (number, sizeof (number), "\": %d", i);
    buffer_add (&json, number, strlen (number));
  }
  buffer_add (&json, "}", 1);
  write_file (path, json.data, json.size);
  buffer_clear (&json);
}

START_TEST (whole_vocabulary_survives_the_byte_level_encoding)
{
  const ModelSpec spec = { 80, 1500, 384, 6, 4, 448, 4, 51865, WRITE_F16, 1,
    true
  };
  RankedToken *tokens = read_tiktoken ("multilingual.tiktoken");
  WrittenModel *model;
  NpuTokenizer *tokenizer;

  if (!tokens)
    return;
  model = written_model_new (&spec);
  test_path_in ("byte-level", "");
  written_model_save (model, test_path ("byte-level"));
  unlink (test_path_in ("byte-level", "tokenizer.json"));
  /* no lists: by the rule */
  unlink (test_path_in ("byte-level", "generation_config.json"));
  {
    char *config = written_model_config_json (model);

    *strstr (config, "suppress_tokens") = 'S';
    write_text (test_path_in ("byte-level", "config.json"), config);
    free (config);
  }
  write_byte_level_vocabulary (tokens, test_path_in ("byte-level",
          "vocab.json"));
  write_text (test_path_in ("byte-level", "added_tokens.json"),
      "{\"<|endoftext|>\": 50257, \"<|startoftranscript|>\": 50258, "
      "\"<|en|>\": 50259, \"<|zh|>\": 50260, \"<|translate|>\": 50358, "
      "\"<|transcribe|>\": 50359, \"<|startoflm|>\": 50360, "
      "\"<|startofprev|>\": 50361, \"<|nocaptions|>\": 50362, "
      "\"<|notimestamps|>\": 50363}");
  tokenizer = open_tokenizer (test_path ("byte-level"));
  for (int32_t i = 0; i < TIKTOKEN_TOKENS; i++) {
    size_t size;
    const uint8_t *bytes = npu_tokenizer_bytes (tokenizer, i, &size);

    ck_assert_msg (size == tokens[i].size
        && !memcmp (bytes, tokens[i].bytes, size), "token %d", i);
  }
  ck_assert (npu_tokenizer_multilingual (tokenizer));
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->first_timestamp, 50364);
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->timestamp_count, 1501);
  check_published_suppressed (tokenizer, multilingual_suppressed,
      COUNT (multilingual_suppressed));
  check_begin_suppressed (tokenizer, 220, 50257);
  npu_tokenizer_free (tokenizer);
  written_model_free (model);
  free (tokens);
}
END_TEST

START_TEST (builtin_vocabulary_can_be_read)
{
  NpuModelFile *file;
  NpuTokenizer *tokenizer;
  NpuError error = { 0 };
  int words = 0;

  ck_assert_msg (npu_model_file_open_builtin (&file, &error) == NPU_OK, "%s",
      error.message);
  ck_assert_msg (npu_tokenizer_new (file, &tokenizer, &error) == NPU_OK, "%s",
      error.message);
  /* timestamps for the whole window, and words */
  ck_assert_int_eq (npu_tokenizer_special (tokenizer)->timestamp_count,
      (int) npu_model_file_config (file)->audio_context + 1);
  for (int32_t i = 0; i < npu_tokenizer_size (tokenizer); i++)
    words += npu_tokenizer_is_text (tokenizer, i);
  ck_assert_int_ge (words, 300);
  npu_tokenizer_free (tokenizer);
  npu_model_file_unref (file);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tokenizer");
  TCase *tcase = tcase_create ("general");
  SRunner *runner;
  int failed;

  tcase_add_test (tcase, tokenizer_json_gives_bytes_and_special_tokens);
  tcase_add_test (tcase, vocab_json_with_added_tokens_is_the_same);
  tcase_add_test (tcase, small_ggml_vocabulary_goes_by_names);
  tcase_add_test (tcase, timestamps_that_are_not_listed_follow_notimestamps);
  tcase_add_test (tcase, all_bytes_have_their_character);
  tcase_add_test (tcase, damaged_vocabularies_are_refused_with_a_reason);
  tcase_add_test (tcase,
      damaged_generation_configs_are_refused_with_a_reason);
  tcase_add_test (tcase, multilingual_vocabulary_has_whispers_special_tokens);
  tcase_add_test (tcase, english_vocabulary_has_whispers_special_tokens);
  tcase_add_test (tcase, large_vocabulary_has_one_language_more);
  tcase_add_test (tcase, published_test_files_lack_only_their_tensors);
  tcase_add_test (tcase, whole_vocabulary_survives_the_byte_level_encoding);
  tcase_add_test (tcase, builtin_vocabulary_can_be_read);
  suite_add_tcase (suite, tcase);
  test_folder ();
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
