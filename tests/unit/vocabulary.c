/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whisper's own vocabularies, from the test files of whisper.cpp and OpenAI's
 * ranks, which lie in NPU_SHARED_DATA; skipped where they do not.
 */
#include "tokenizer-checks.h"
#include "run-suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    printf ("SKIP: vocabulary: there is no %s; set NPU_SHARED_DATA\n", path);
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
      printf ("SKIP: vocabulary: there is no %s; set NPU_SHARED_DATA\n", path);
      return;
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
    printf ("SKIP: vocabulary: there is no %s; set NPU_SHARED_DATA\n", path);
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

int
main (void)
{
  Suite *suite = suite_create ("vocabulary");
  TCase *tcase = tcase_create ("general");

  tcase_add_test (tcase, multilingual_vocabulary_has_whispers_special_tokens);
  tcase_add_test (tcase, english_vocabulary_has_whispers_special_tokens);
  tcase_add_test (tcase, large_vocabulary_has_one_language_more);
  tcase_add_test (tcase, published_test_files_lack_only_their_tensors);
  tcase_add_test (tcase, whole_vocabulary_survives_the_byte_level_encoding);
  suite_add_tcase (suite, tcase);
  test_folder ();
  return run_suite (suite);
}
