/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tokens and their bytes; loading them is vocabulary-file.c's.
 */
#include "model/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#define STORE_START 4096

NpuStatus
npu_vocabulary_init (NpuVocabulary * self, int32_t size, NpuError * error)
{
  *self = (NpuVocabulary) {.size = size };
  self->entries = calloc ((size_t) size, sizeof (*self->entries));
  if (!self->entries)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  return NPU_OK;
}

void
npu_vocabulary_clear (NpuVocabulary * self)
{
  free (self->entries);
  free (self->store);
  free (self->index);
  *self = (NpuVocabulary) { 0 };
}

NpuStatus
npu_vocabulary_set (NpuVocabulary * self, int32_t token, NpuTokenKind kind,
    const void *bytes, size_t length, NpuError * error)
{
  if (length > self->store_size - self->store_used) {
    size_t size = self->store_size ? self->store_size : STORE_START;
    uint8_t *store;

    while (size - self->store_used < length)
      size *= 2;
    store = realloc (self->store, size);
    if (!store)
      return npu_error_set (error, NPU_ENOMEM, "out of memory");
    self->store = store;
    self->store_size = size;
  }
  if (length > 0)
    memcpy (self->store + self->store_used, bytes, length);
  self->entries[token] = (NpuVocabularyEntry) {
    kind, (uint32_t) length, self->store_used
  };
  self->store_used += length;
  return NPU_OK;
}

static uint32_t
hash_bytes (const uint8_t * bytes, size_t length)
{
  uint32_t hash = 0x811c9dc5u;

  for (size_t i = 0; i < length; i++)
    hash = (hash ^ bytes[i]) * 0x01000193u;
  return hash ^ hash >> 15;
}

static bool
entry_equals (const NpuVocabulary * self, int32_t token, NpuTokenKind kind,
    const void *bytes, size_t length)
{
  const NpuVocabularyEntry *entry = &self->entries[token];

  return entry->kind == kind && entry->length == length && (length == 0
      || !memcmp (self->store + entry->offset, bytes, length));
}

/* The place in the index where a token with these bytes is or would be. */
static uint32_t
find_place (const NpuVocabulary * self, NpuTokenKind kind, const void *bytes,
    size_t length)
{
  uint32_t place = hash_bytes (bytes, length) & self->index_mask;

  while (self->index[place] >= 0
      && !entry_equals (self, self->index[place], kind, bytes, length))
    place = (place + 1) & self->index_mask;
  return place;
}

NpuStatus
npu_vocabulary_make_index (NpuVocabulary * self, NpuError * error)
{
  uint32_t places = 64;

  while (places < 2 * (uint32_t) self->size)
    places *= 2;
  free (self->index);
  self->index = malloc (places * sizeof (*self->index));
  if (!self->index)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  memset (self->index, 0xff, places * sizeof (*self->index));
  self->index_mask = places - 1;

  for (int32_t token = 0; token < self->size; token++) {
    const NpuVocabularyEntry *entry = &self->entries[token];
    uint32_t place;

    if (entry->kind == NPU_TOKEN_UNUSED)
      continue;
    place = find_place (self, entry->kind, npu_vocabulary_bytes (self, token,
            &(size_t) { 0 }), entry->length);
    if (self->index[place] < 0)
      self->index[place] = token;
  }
  return NPU_OK;
}

int32_t
npu_vocabulary_find (const NpuVocabulary * self, NpuTokenKind kind,
    const void *bytes, size_t length)
{
  return self->index[find_place (self, kind, bytes, length)];
}

const uint8_t *
npu_vocabulary_bytes (const NpuVocabulary * self, int32_t token,
    size_t *length)
{
  static const uint8_t none[1];
  const NpuVocabularyEntry *entry = &self->entries[token];

  *length = entry->length;
  return entry->length ? self->store + entry->offset : none;
}

bool
npu_vocabulary_is_special_name (const void *bytes, size_t length)
{
  const char *name = bytes;

  return length > 4 && !memcmp (name, "<|", 2)
      && !memcmp (name + length - 2, "|>", 2);
}

bool
npu_vocabulary_is_whisper_size (uint32_t size)
{
  return size >= NPU_VOCABULARY_ENGLISH && size <= NPU_VOCABULARY_CANTONESE;
}
