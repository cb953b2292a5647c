/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Suppressed tokens from generation_config.json, or by OpenAI's rule: what is
 * not spoken. Text that transcripts put into brackets, and signs such as notes
 * of music, stand for no words; hyphens and apostrophes are only spoken within
 * a word.
 */
#include "model/suppression.h"

#include "model/json-reader.h"
#include "model/model-file-private.h"

#include <stdlib.h>
#include <string.h>

/* In the lists of Hugging Face: OpenAI's rule. */
#define BY_RULE (-1)

/* Suppressed where they are one token, alone and after a space. */
static const char *const signs[] = {
  "\"", "#", "(", ")", "*", "+", "/", ":", ";", "<", "=", ">", "@", "[", "\\",
  "]", "^", "_", "`", "{", "|", "}", "~", "「", "」", "『", "』",
  "<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", "(\"", "((", "))",
  "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪",
};

/* Suppressed by their first token. */
static const char *const music_signs[] = {
  "♩", "♪", "♫", "♬", "♭", "♮", "♯",
};

static const char *const word_starts[] = { " -", " '" };

/* The tokens of the bytes that most signs of music begin with, alone and after
 * a space: some ggml files have replacement characters for tokens that are no
 * whole characters, so that they cannot be looked up. */
#define ENGLISH_MUSIC_BYTES {17992, 20724}
#define MULTILINGUAL_MUSIC_BYTES {3268, 873}

#define COUNT(array) (sizeof (array) / sizeof ((array)[0]))

/* With the space and the longest sign. */
#define SIGN_SIZE 16

static NpuStatus
list_add (NpuTokenList * list, int32_t token, NpuError * error)
{
  if (token < 0)
    return NPU_OK;
  if (list->count == list->size) {
    size_t size = list->size ? 2 * list->size : 128;
    int32_t *tokens = realloc (list->tokens, size * sizeof (*tokens));

    if (!tokens)
      return npu_error_set (error, NPU_ENOMEM, "out of memory");
    list->tokens = tokens;
    list->size = size;
  }
  list->tokens[list->count++] = token;
  return NPU_OK;
}

static int
compare_tokens (const void *a, const void *b)
{
  int32_t left = *(const int32_t *) a, right = *(const int32_t *) b;

  return (left > right) - (left < right);
}

static void
list_sort (NpuTokenList * list)
{
  size_t kept = 0;

  if (list->count == 0)
    return;
  qsort (list->tokens, list->count, sizeof (*list->tokens), compare_tokens);
  for (size_t i = 0; i < list->count; i++) {
    if (kept == 0 || list->tokens[i] != list->tokens[kept - 1])
      list->tokens[kept++] = list->tokens[i];
  }
  list->count = kept;
}

/* The first token of byte-pair encoded @text of at most SIGN_SIZE bytes, or -1
 * where that holds nothing of the sign. A pair's rank is its token's number,
 * as in OpenAI's vocabularies. */
static int32_t
first_token (const NpuVocabulary * vocabulary, const char *text, size_t length)
{
  size_t ends[SIGN_SIZE + 1], pieces = length;
  int32_t whole = npu_vocabulary_find (vocabulary, NPU_TOKEN_TEXT, text,
      length);

  if (whole >= 0)
    return whole;
  for (size_t i = 0; i <= length; i++)
    ends[i] = i;
  while (pieces > 1) {
    int32_t best = -1;
    size_t at = 0;

    for (size_t i = 0; i + 1 < pieces; i++) {
      int32_t pair = npu_vocabulary_find (vocabulary, NPU_TOKEN_TEXT,
          text + ends[i], ends[i + 2] - ends[i]);

      if (pair >= 0 && (best < 0 || pair < best)) {
        best = pair;
        at = i;
      }
    }
    if (best < 0)
      break;
    memmove (&ends[at + 1], &ends[at + 2], (pieces - at - 1)
        * sizeof (ends[0]));
    pieces--;
  }
  if (ends[1] == 1 && text[0] == ' ')
    return -1;
  return npu_vocabulary_find (vocabulary, NPU_TOKEN_TEXT, text, ends[1]);
}

static NpuStatus
add_music_bytes (NpuTokenList * list, const NpuVocabulary * vocabulary,
    NpuError * error)
{
  static const int32_t tokens[2][2] = {
    ENGLISH_MUSIC_BYTES, MULTILINGUAL_MUSIC_BYTES
  };
  bool multilingual = vocabulary->size != NPU_VOCABULARY_ENGLISH;
  NpuStatus status = list_add (list, tokens[multilingual][0], error);

  if (status == NPU_OK)
    status = list_add (list, tokens[multilingual][1], error);
  return status;
}

static NpuStatus
add_by_rule (NpuTokenList * list, const NpuVocabulary * vocabulary,
    NpuError * error)
{
  NpuStatus status = NPU_OK;
  char text[SIGN_SIZE] = " ";

  for (size_t i = 0; i < COUNT (signs) && status == NPU_OK; i++) {
    size_t length = strlen (signs[i]);

    memcpy (text + 1, signs[i], length);
    status = list_add (list, npu_vocabulary_find (vocabulary, NPU_TOKEN_TEXT,
            text + 1, length), error);
    if (status == NPU_OK)
      status = list_add (list, npu_vocabulary_find (vocabulary,
              NPU_TOKEN_TEXT, text, length + 1), error);
  }
  for (size_t i = 0; i < COUNT (music_signs) && status == NPU_OK; i++) {
    size_t length = strlen (music_signs[i]);

    memcpy (text + 1, music_signs[i], length);
    status = list_add (list, first_token (vocabulary, text + 1, length),
        error);
    if (status == NPU_OK)
      status = list_add (list, first_token (vocabulary, text, length + 1),
          error);
  }
  for (size_t i = 0; i < COUNT (word_starts) && status == NPU_OK; i++)
    status = list_add (list, npu_vocabulary_find (vocabulary, NPU_TOKEN_TEXT,
            word_starts[i], strlen (word_starts[i])), error);
  if (status == NPU_OK
      && npu_vocabulary_is_whisper_size ((uint32_t) vocabulary->size))
    status = add_music_bytes (list, vocabulary, error);
  return status;
}

static NpuStatus
add_special (NpuTokenList * list, const NpuSpecialTokens * special,
    NpuError * error)
{
  const int32_t tokens[] = {
    special->start_of_transcript, special->translate, special->transcribe,
    special->start_of_lm, special->start_of_previous, special->no_speech,
  };
  NpuStatus status = NPU_OK;

  for (size_t i = 0; i < COUNT (tokens) && status == NPU_OK; i++)
    status = list_add (list, tokens[i], error);
  return status;
}

static NpuStatus
add_listed (NpuTokenList * list, const json_t * tokens, const char *key,
    const NpuVocabulary * vocabulary, NpuError * error)
{
  if (!json_is_array (tokens))
    return npu_error_set (error, NPU_EFORMAT, "%s is not an array", key);
  for (size_t i = 0; i < json_array_size (tokens); i++) {
    const json_t *element = json_array_get (tokens, i);
    json_int_t token = json_integer_value (element);
    NpuStatus status;

    if (!json_is_integer (element) || token < BY_RULE
        || token >= vocabulary->size)
      return npu_error_set (error, NPU_EFORMAT, "%s[%zu] is not a token below "
          "vocab_size, which is %d", key, i, vocabulary->size);
    status = token == BY_RULE ? add_by_rule (list, vocabulary, error)
        : list_add (list, (int32_t) token, error);
    if (status != NPU_OK)
      return status;
  }
  return NPU_OK;
}

/* Adds what the JSON files of @file list under @key; @found tells whether
 * they list anything. */
static NpuStatus
add_from_files (NpuTokenList * list, const NpuModelFile * file,
    const char *key, const NpuVocabulary * vocabulary, bool *found,
    NpuError * error)
{
  /* before generation_config.json there were the same keys in config.json */
  static const char *const names[] = { "generation_config.json", "config.json"
  };

  *found = false;
  for (size_t i = 0; i < COUNT (names) && !*found && !file->ggml; i++) {
    const NpuBlob *blob = npu_blob_source_find (file->source, names[i]);
    const json_t *tokens;
    json_t *root;
    NpuStatus status;

    if (!blob)
      continue;
    status = npu_json_parse (blob->data, blob->size, names[i], &root, error);
    if (status != NPU_OK)
      return status;
    tokens = npu_json_member (root, key);
    if (tokens) {
      *found = true;
      status = add_listed (list, tokens, key, vocabulary, error);
    }
    json_decref (root);
    if (status != NPU_OK)
      return status;
  }
  return NPU_OK;
}

NpuStatus
npu_suppression_load (NpuSuppression * self, const NpuModelFile * file,
    const NpuVocabulary * vocabulary, const NpuSpecialTokens * special,
    NpuError * error)
{
  NpuStatus status;
  bool found;

  *self = (NpuSuppression) { 0 };
  status = add_from_files (&self->always, file, "suppress_tokens", vocabulary,
      &found, error);
  if (status == NPU_OK && !found)
    status = add_by_rule (&self->always, vocabulary, error);
  if (status == NPU_OK)
    status = add_special (&self->always, special, error);

  if (status == NPU_OK)
    status = add_from_files (&self->begin, file, "begin_suppress_tokens",
        vocabulary, &found, error);
  if (status == NPU_OK && !found)
    status = list_add (&self->begin, npu_vocabulary_find (vocabulary,
            NPU_TOKEN_TEXT, " ", 1), error);
  if (status == NPU_OK && !found)
    status = list_add (&self->begin, special->end_of_text, error);
  list_sort (&self->always);
  list_sort (&self->begin);
  return status;
}

void
npu_suppression_clear (NpuSuppression * self)
{
  free (self->always.tokens);
  free (self->begin.tokens);
  *self = (NpuSuppression) { 0 };
}
