/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small vocabularies in every form, sound and damaged; Whisper's own ones are
 * tested in vocabulary.c.
 */
#include "tokenizer-checks.h"
#include "run-suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

  tcase_add_test (tcase, tokenizer_json_gives_bytes_and_special_tokens);
  tcase_add_test (tcase, vocab_json_with_added_tokens_is_the_same);
  tcase_add_test (tcase, small_ggml_vocabulary_goes_by_names);
  tcase_add_test (tcase, timestamps_that_are_not_listed_follow_notimestamps);
  tcase_add_test (tcase, all_bytes_have_their_character);
  tcase_add_test (tcase, damaged_vocabularies_are_refused_with_a_reason);
  tcase_add_test (tcase,
      damaged_generation_configs_are_refused_with_a_reason);
  tcase_add_test (tcase, builtin_vocabulary_can_be_read);
  suite_add_tcase (suite, tcase);
  test_folder ();
  return run_suite (suite);
}
