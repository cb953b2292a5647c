/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tokenizer as its users see it, and the special tokens of Whisper's
 * vocabularies.
 */
#include "model/tokenizer.h"

#include "model/json-reader.h"
#include "model/model-file-private.h"
#include "model/suppression.h"
#include "model/vocabulary.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* In the order of their tokens in Whisper's vocabularies. */
static const char languages[][4] = {
  "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr",
  "pl", "ca", "nl", "ar", "sv", "it", "id", "hi", "fi", "vi",
  "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no",
  "th", "ur", "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk",
  "te", "fa", "lv", "bn", "sr", "az", "sl", "kn", "et", "mk",
  "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw",
  "gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc",
  "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
  "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl",
  "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su", "yue",
};

#define LANGUAGES ((int32_t) (sizeof (languages) / sizeof (languages[0])))

/* Those of the smaller of Whisper's vocabularies. */
#define LANGUAGES_BEFORE_CANTONESE 99

/* Timestamps of 0 to 30 s in Whisper's vocabularies. */
#define WHISPER_TIMESTAMPS 1501

struct NpuTokenizer
{
  NpuVocabulary vocabulary;
  NpuSpecialTokens special;
  uint8_t language_of[LANGUAGES];       /* by token - first_language */
  bool multilingual;
  NpuSuppression suppression;
};

/* ggml files of Whisper's sizes do not hold the special tokens. */
static NpuStatus
derive_special_from_size (NpuTokenizer * self, NpuError * error)
{
  NpuVocabulary *vocabulary = &self->vocabulary;
  NpuSpecialTokens *special = &self->special;
  bool english = vocabulary->size == NPU_VOCABULARY_ENGLISH;
  int32_t next = english ? 50256 : 50257;
  NpuStatus status = NPU_OK;

  special->end_of_text = next++;
  special->start_of_transcript = next++;
  special->first_language = next;
  special->language_count = vocabulary->size == NPU_VOCABULARY_CANTONESE
      ? LANGUAGES : LANGUAGES_BEFORE_CANTONESE;
  next += special->language_count;
  special->translate = next++;
  special->transcribe = next++;
  special->start_of_lm = next++;
  special->start_of_previous = next++;
  special->no_speech = next++;
  special->no_timestamps = next++;
  special->first_timestamp = next;
  special->timestamp_count = WHISPER_TIMESTAMPS;

  for (int32_t i = 0; i < special->language_count; i++)
    self->language_of[i] = (uint8_t) i;
  /* some files hold "<|endoftext|>" or more of them as if they were text */
  for (int32_t i = special->end_of_text; i < vocabulary->size
      && status == NPU_OK; i++)
    status = npu_vocabulary_set (vocabulary, i, NPU_TOKEN_SPECIAL, NULL, 0,
        error);
  self->multilingual = !english;
  return status;
}

static int32_t
find_special (const NpuTokenizer * self, const char *name)
{
  return npu_vocabulary_find (&self->vocabulary, NPU_TOKEN_SPECIAL, name,
      strlen (name));
}

static void
find_timestamps (NpuTokenizer * self, uint32_t audio_context)
{
  NpuSpecialTokens *special = &self->special;
  char name[32];

  special->first_timestamp = find_special (self, "<|0.00|>");
  if (special->first_timestamp >= 0) {
    int32_t count = 0;

    do {
      count++;
      snprintf (name, sizeof (name), "<|%d.%02d|>",
          count * NPU_TIMESTAMP_MILLISECONDS / 1000,
          count * NPU_TIMESTAMP_MILLISECONDS % 1000 / 10);
    } while (find_special (self, name) == special->first_timestamp + count);
    special->timestamp_count = count;
  } else if (special->no_timestamps >= 0) {
    /* older tokenizers do not list them: they are what follows */
    int32_t first = special->no_timestamps + 1;
    int32_t count = 0;

    while (first + count < self->vocabulary.size
        && count <= (int32_t) audio_context
        && self->vocabulary.entries[first + count].kind == NPU_TOKEN_UNUSED)
      count++;
    special->first_timestamp = count ? first : NPU_TOKEN_NONE;
    special->timestamp_count = count;
  }
}

/* Takes the languages whose tokens follow each other from the first one on. */
static void
find_languages (NpuTokenizer * self)
{
  NpuSpecialTokens *special = &self->special;
  int32_t tokens[LANGUAGES], first = NPU_TOKEN_NONE, count = 0;

  for (int32_t i = 0; i < LANGUAGES; i++) {
    char name[16];

    snprintf (name, sizeof (name), "<|%s|>", languages[i]);
    tokens[i] = find_special (self, name);
    if (tokens[i] >= 0 && (first < 0 || tokens[i] < first))
      first = tokens[i];
  }
  special->first_language = first;
  for (bool more = first >= 0; more;) {
    more = false;
    for (int32_t i = 0; i < LANGUAGES; i++) {
      if (tokens[i] == first + count) {
        self->language_of[count++] = (uint8_t) i;
        more = count < LANGUAGES;
        break;
      }
    }
  }
  special->language_count = count;
}

static NpuStatus
find_special_by_names (NpuTokenizer * self, const NpuModelFile * file,
    NpuError * error)
{
  NpuSpecialTokens *special = &self->special;

  special->end_of_text = find_special (self, "<|endoftext|>");
  special->start_of_transcript = find_special (self,
      "<|startoftranscript|>");
  special->translate = find_special (self, "<|translate|>");
  special->transcribe = find_special (self, "<|transcribe|>");
  special->start_of_lm = find_special (self, "<|startoflm|>");
  special->start_of_previous = find_special (self, "<|startofprev|>");
  special->no_speech = find_special (self, "<|nospeech|>");
  if (special->no_speech < 0)
    special->no_speech = find_special (self, "<|nocaptions|>");
  special->no_timestamps = find_special (self, "<|notimestamps|>");
  if (special->end_of_text < 0 || special->start_of_transcript < 0)
    return npu_error_set (error, NPU_EFORMAT, "the vocabulary lacks the "
        "special token '%s'; its files belong to another model or are not "
        "complete", special->end_of_text < 0 ? "<|endoftext|>"
        : "<|startoftranscript|>");
  find_timestamps (self, file->config.audio_context);
  find_languages (self);
  return NPU_OK;
}

static NpuStatus
find_multilingual (NpuTokenizer * self, const NpuModelFile * file,
    NpuError * error)
{
  static const char name[] = "generation_config.json";
  const NpuBlob *blob = npu_blob_source_find (file->source, name);
  const NpuSpecialTokens *special = &self->special;
  json_t *root;
  NpuStatus status;

  /* all of Whisper's vocabularies have the tokens of languages */
  self->multilingual = self->vocabulary.size != NPU_VOCABULARY_ENGLISH
      && special->transcribe >= 0 && special->language_count > 1;
  if (file->ggml || !blob)
    return NPU_OK;
  status = npu_json_parse (blob->data, blob->size, name, &root, error);
  if (status != NPU_OK)
    return status;
  status = npu_json_boolean (root, name, "is_multilingual",
      &self->multilingual, error);
  json_decref (root);
  if (status == NPU_OK && self->multilingual && (special->transcribe < 0
          || special->language_count < 1))
    status = npu_error_set (error, NPU_EFORMAT, "%s: is_multilingual, but the "
        "vocabulary has no language or no '<|transcribe|>' token", name);
  return status;
}

static NpuStatus
load (NpuTokenizer * self, const NpuModelFile * file, NpuError * error)
{
  NpuStatus status = npu_vocabulary_load (&self->vocabulary, file, error);

  if (status != NPU_OK)
    return status;
  if (file->ggml && npu_vocabulary_is_whisper_size (file->config.vocabulary)) {
    status = derive_special_from_size (self, error);
  } else {
    status = find_special_by_names (self, file, error);
    if (status == NPU_OK)
      status = find_multilingual (self, file, error);
  }
  if (status == NPU_OK)
    status = npu_suppression_load (&self->suppression, file,
        &self->vocabulary, &self->special, error);
  return status;
}

NpuStatus
npu_tokenizer_new (const NpuModelFile * file, NpuTokenizer ** tokenizer,
    NpuError * error)
{
  NpuTokenizer *self = calloc (1, sizeof (*self));
  NpuStatus status;

  *tokenizer = NULL;
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  status = load (self, file, error);
  if (status != NPU_OK) {
    npu_tokenizer_free (self);
    return npu_model_error_prefix (error, status, file->path);
  }
  *tokenizer = self;
  return NPU_OK;
}

void
npu_tokenizer_free (NpuTokenizer * self)
{
  if (!self)
    return;
  npu_vocabulary_clear (&self->vocabulary);
  npu_suppression_clear (&self->suppression);
  free (self);
}

int32_t
npu_tokenizer_size (const NpuTokenizer * self)
{
  return self->vocabulary.size;
}

const NpuSpecialTokens *
npu_tokenizer_special (const NpuTokenizer * self)
{
  return &self->special;
}

bool
npu_tokenizer_multilingual (const NpuTokenizer * self)
{
  return self->multilingual;
}

const uint8_t *
npu_tokenizer_bytes (const NpuTokenizer * self, int32_t token, size_t *size)
{
  const uint8_t *bytes;

  *size = 0;
  if (token < 0 || token >= self->vocabulary.size)
    return NULL;
  bytes = npu_vocabulary_bytes (&self->vocabulary, token, size);
  if (!npu_tokenizer_is_text (self, token))
    *size = 0;
  return bytes;
}

bool
npu_tokenizer_is_text (const NpuTokenizer * self, int32_t token)
{
  return token >= 0 && token < self->vocabulary.size
      && self->vocabulary.entries[token].kind == NPU_TOKEN_TEXT;
}

bool
npu_tokenizer_is_timestamp (const NpuTokenizer * self, int32_t token)
{
  const NpuSpecialTokens *special = &self->special;

  return special->timestamp_count > 0 && token >= special->first_timestamp
      && token - special->first_timestamp < special->timestamp_count;
}

int32_t
npu_tokenizer_language_token (const NpuTokenizer * self, const char *code)
{
  const NpuSpecialTokens *special = &self->special;
  size_t length = strcspn (code, "-_");

  if (length == 2 && !strncasecmp (code, "jv", length))
    code = "jw";
  for (int32_t i = 0; i < special->language_count; i++) {
    const char *language = languages[self->language_of[i]];

    if (strlen (language) == length && !strncasecmp (code, language, length))
      return special->first_language + i;
  }
  return NPU_TOKEN_NONE;
}

const char *
npu_tokenizer_language_code (const NpuTokenizer * self, int32_t token)
{
  const NpuSpecialTokens *special = &self->special;

  if (special->language_count == 0 || token < special->first_language
      || token - special->first_language >= special->language_count)
    return NULL;
  return languages[self->language_of[token - special->first_language]];
}

const int32_t *
npu_tokenizer_suppressed (const NpuTokenizer * self, size_t *count)
{
  *count = self->suppression.always.count;
  return self->suppression.always.tokens;
}

const int32_t *
npu_tokenizer_begin_suppressed (const NpuTokenizer * self, size_t *count)
{
  *count = self->suppression.begin.count;
  return self->suppression.begin.tokens;
}
