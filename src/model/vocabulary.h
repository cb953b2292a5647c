/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The store of a tokenizer: for every token its kind and bytes, and the way
 * back from bytes to tokens. Private to src/model.
 */
#ifndef NPU_MODEL_VOCABULARY_H
#define NPU_MODEL_VOCABULARY_H

#include "model/model-file.h"

typedef enum
{
  NPU_TOKEN_UNUSED,
  NPU_TOKEN_TEXT,
  NPU_TOKEN_SPECIAL,            /* its bytes are its name, "<|en|>" */
} NpuTokenKind;

typedef struct
{
  NpuTokenKind kind;
  uint32_t length;
  size_t offset;                /* in the store */
} NpuVocabularyEntry;

typedef struct
{
  int32_t size;
  NpuVocabularyEntry *entries;
  uint8_t *store;
  size_t store_used, store_size;
  int32_t *index;               /* tokens by hash, -1 where free */
  uint32_t index_mask;
} NpuVocabulary;

/* Returns NPU_OK or NPU_ENOMEM; to be cleared in both cases. All tokens are
 * unused at first. */
NpuStatus npu_vocabulary_init (NpuVocabulary * vocabulary, int32_t size,
    NpuError * error);
void npu_vocabulary_clear (NpuVocabulary * vocabulary);

/* Defines @token, which must be in range. Returns NPU_OK or NPU_ENOMEM. */
NpuStatus npu_vocabulary_set (NpuVocabulary * vocabulary, int32_t token,
    NpuTokenKind kind, const void *bytes, size_t length, NpuError * error);

/* Makes npu_vocabulary_find() work for the tokens defined so far. Returns
 * NPU_OK or NPU_ENOMEM. */
NpuStatus npu_vocabulary_make_index (NpuVocabulary * vocabulary,
    NpuError * error);

/* The lowest token with these bytes, or -1. */
int32_t npu_vocabulary_find (const NpuVocabulary * vocabulary,
    NpuTokenKind kind, const void *bytes, size_t length);

/* The bytes of @token, which must be in range. */
const uint8_t *npu_vocabulary_bytes (const NpuVocabulary * vocabulary,
    int32_t token, size_t *length);

/* Whether @bytes read "<|...|>". */
bool npu_vocabulary_is_special_name (const void *bytes, size_t length);

/**
 * npu_vocabulary_load:
 * Fill @vocabulary, which is cleared on failure, from @file. In a ggml file
 * with one of Whisper's own sizes no token is special yet; otherwise those
 * are that are named so.
 *
 * Returns NPU_OK, NPU_EFORMAT or NPU_ENOMEM.
 */
NpuStatus npu_vocabulary_load (NpuVocabulary * vocabulary,
    const NpuModelFile * file, NpuError * error);

/* Sizes of Whisper's own vocabularies: what special tokens they have follows
 * from the size alone. */
#define NPU_VOCABULARY_ENGLISH 51864
#define NPU_VOCABULARY_MULTILINGUAL 51865
#define NPU_VOCABULARY_CANTONESE 51866  /* large-v3: one language more */

bool npu_vocabulary_is_whisper_size (uint32_t size);

#endif
