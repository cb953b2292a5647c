/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Vocabularies of ggml files (plain bytes) and of Hugging Face directories,
 * where every byte of a token is written as a printable character (GPT-2's
 * byte-level encoding), except in added tokens.
 */
#include "model/json-reader.h"
#include "model/model-file-private.h"
#include "model/vocabulary.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Characters that stand for bytes are below this code point. */
#define BYTE_CHARACTERS 0x144

static NpuStatus
load_ggml (NpuVocabulary * vocabulary, const NpuModelFile * file,
    NpuError * error)
{
  const uint8_t *data = file->vocabulary.data;
  bool by_name = !npu_vocabulary_is_whisper_size (file->config.vocabulary);
  NpuStatus status = NPU_OK;

  /* lengths were checked when the file was opened */
  for (uint32_t i = 0; i < file->vocabulary.count && status == NPU_OK; i++) {
    uint32_t length;
    bool special;

    memcpy (&length, data, sizeof (length));
    length = le32toh (length);
    data += sizeof (length);
    special = by_name && npu_vocabulary_is_special_name (data, length);
    status = npu_vocabulary_set (vocabulary, (int32_t) i,
        special ? NPU_TOKEN_SPECIAL : NPU_TOKEN_TEXT, data, length, error);
    data += length;
  }
  return status;
}

static bool
is_printable_byte (unsigned byte)
{
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac)
      || byte >= 0xae;
}

/* Printable bytes stand for themselves, the others for 256 and on. */
static void
make_byte_table (int16_t table[BYTE_CHARACTERS])
{
  unsigned next = 256;

  for (unsigned i = 0; i < BYTE_CHARACTERS; i++)
    table[i] = -1;
  for (unsigned byte = 0; byte < 256; byte++)
    table[is_printable_byte (byte) ? byte : next++] = (int16_t) byte;
}

/* Decodes @text, valid UTF-8, in place where it is all byte characters;
 * otherwise leaves it alone. Returns the length. */
static size_t
decode_bytes (const int16_t table[BYTE_CHARACTERS], const char *text,
    size_t length, uint8_t * bytes)
{
  size_t written = 0;

  for (size_t i = 0; i < length;) {
    uint8_t first = (uint8_t) text[i];
    unsigned code = first;

    if (first >= 0x80 && first < 0xe0 && i + 1 < length) {
      code = (first & 0x1fu) << 6 | ((uint8_t) text[i + 1] & 0x3fu);
      i += 2;
    } else {
      i++;
    }
    if (code >= BYTE_CHARACTERS || table[code] < 0) {
      memcpy (bytes, text, length);
      return length;
    }
    bytes[written++] = (uint8_t) table[code];
  }
  return written;
}

typedef struct
{
  NpuVocabulary *vocabulary;
  const char *what;             /* the file, for messages */
  NpuError *error;
} Target;

static NpuStatus
check_token (const Target * target, const char *text, json_int_t token)
{
  if (token < 0 || token >= target->vocabulary->size)
    return npu_error_set (target->error, NPU_EFORMAT, "%s: token '%.60s' has "
        "the number %lld, it must be below vocab_size, which is %d",
        target->what, text, (long long) token, target->vocabulary->size);
  return NPU_OK;
}

/* {"token": number, ...}, byte-level encoded */
static NpuStatus
add_vocabulary (const Target * target, const json_t * object)
{
  int16_t table[BYTE_CHARACTERS];
  const char *text;
  json_t *value;

  if (!json_is_object (object))
    return npu_error_set (target->error, NPU_EFORMAT, "%s: the vocabulary is "
        "not an object", target->what);
  make_byte_table (table);
  json_object_foreach ((json_t *) object, text, value) {
    size_t length = strlen (text);
    bool special = npu_vocabulary_is_special_name (text, length);
    json_int_t token = json_integer_value (value);
    uint8_t *bytes;
    NpuStatus status;

    if (!json_is_integer (value))
      return npu_error_set (target->error, NPU_EFORMAT, "%s: the number of "
          "token '%.60s' is not an integer", target->what, text);
    status = check_token (target, text, token);
    if (status != NPU_OK)
      return status;
    if (target->vocabulary->entries[token].kind != NPU_TOKEN_UNUSED)
      return npu_error_set (target->error, NPU_EFORMAT, "%s: the number %d "
          "belongs to two tokens, '%.60s' is one", target->what, (int) token,
          text);
    bytes = malloc (length + 1);
    if (!bytes)
      return npu_error_set (target->error, NPU_ENOMEM, "out of memory");
    if (special)
      memcpy (bytes, text, length);
    else
      length = decode_bytes (table, text, length, bytes);
    status = npu_vocabulary_set (target->vocabulary, (int32_t) token,
        special ? NPU_TOKEN_SPECIAL : NPU_TOKEN_TEXT, bytes, length,
        target->error);
    free (bytes);
    if (status != NPU_OK)
      return status;
  }
  return NPU_OK;
}

/* Added tokens are written as they are, and may repeat the vocabulary's. */
static NpuStatus
add_token (const Target * target, const char *text, const json_t * number,
    bool special)
{
  size_t length = text ? strlen (text) : 0;
  NpuStatus status;

  if (!text || !json_is_integer (number))
    return npu_error_set (target->error, NPU_EFORMAT, "%s: an added token "
        "lacks its text or its number", target->what);
  status = check_token (target, text, json_integer_value (number));
  if (status != NPU_OK)
    return status;
  special = special || npu_vocabulary_is_special_name (text, length);
  return npu_vocabulary_set (target->vocabulary,
      (int32_t) json_integer_value (number),
      special ? NPU_TOKEN_SPECIAL : NPU_TOKEN_TEXT, text, length,
      target->error);
}

static NpuStatus
load_tokenizer_json (const Target * target, const json_t * root)
{
  const json_t *model = npu_json_member (root, "model");
  const json_t *added = npu_json_member (root, "added_tokens");
  const char *type = json_string_value (npu_json_member (model, "type"));
  NpuStatus status;

  if (type && strcmp (type, "BPE"))
    return npu_error_set (target->error, NPU_ENOTSUP, "%s: a model of type "
        "'%.40s' is not supported, only BPE", target->what, type);
  if (added && !json_is_array (added))
    return npu_error_set (target->error, NPU_EFORMAT, "%s: added_tokens is "
        "not an array", target->what);
  status = add_vocabulary (target, npu_json_member (model, "vocab"));
  for (size_t i = 0; i < json_array_size (added) && status == NPU_OK; i++) {
    const json_t *token = json_array_get (added, i);

    status = add_token (target,
        json_string_value (json_object_get (token, "content")),
        json_object_get (token, "id"),
        json_is_true (json_object_get (token, "special")));
  }
  return status;
}

static NpuStatus
load_added_tokens (const Target * target, const json_t * root)
{
  const char *text;
  json_t *number;
  NpuStatus status = NPU_OK;

  json_object_foreach ((json_t *) root, text, number) {
    status = add_token (target, text, number, false);
    if (status != NPU_OK)
      break;
  }
  return status;
}

/* Parses the mapped file @name, if there is one, and hands it to @load. */
static NpuStatus
load_json (NpuVocabulary * vocabulary, const NpuModelFile * file,
    const char *name, NpuStatus (*load) (const Target *, const json_t *),
    NpuError * error)
{
  const NpuBlob *blob = npu_blob_source_find (file->source, name);
  Target target = { vocabulary, name, error };
  json_t *root;
  NpuStatus status;

  if (!blob)
    return NPU_OK;
  status = npu_json_parse (blob->data, blob->size, name, &root, error);
  if (status == NPU_OK) {
    status = load (&target, root);
    json_decref (root);
  }
  return status;
}

static NpuStatus
load_hugging_face (NpuVocabulary * vocabulary, const NpuModelFile * file,
    NpuError * error)
{
  NpuStatus status;

  if (npu_blob_source_find (file->source, "tokenizer.json"))
    return load_json (vocabulary, file, "tokenizer.json", load_tokenizer_json,
        error);
  if (!npu_blob_source_find (file->source, "vocab.json"))
    return npu_error_set (error, NPU_EFORMAT, "the directory has neither "
        "tokenizer.json nor vocab.json; download one of them too");
  status = load_json (vocabulary, file, "vocab.json", add_vocabulary, error);
  if (status == NPU_OK)
    status = load_json (vocabulary, file, "added_tokens.json",
        load_added_tokens, error);
  return status;
}

NpuStatus
npu_vocabulary_load (NpuVocabulary * vocabulary, const NpuModelFile * file,
    NpuError * error)
{
  NpuStatus status;

  status = npu_vocabulary_init (vocabulary, (int32_t) file->config.vocabulary,
      error);
  if (status == NPU_OK)
    status = file->ggml ? load_ggml (vocabulary, file, error)
        : load_hugging_face (vocabulary, file, error);
  if (status == NPU_OK)
    status = npu_vocabulary_make_index (vocabulary, error);
  if (status != NPU_OK)
    npu_vocabulary_clear (vocabulary);
  return status;
}
