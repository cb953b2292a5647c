/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Vocabulary of a model: what bytes a token stands for, which tokens are
 * special, which may never be chosen. Text of consecutive tokens is the
 * concatenation of their bytes; one token may end in the middle of a UTF-8
 * character. The bytes are the file's: some early ggml files hold U+FFFD for
 * tokens that are no whole characters, and languages beyond Latin script come
 * out damaged with them. No policy of decoding lives here.
 */
#ifndef NPU_MODEL_TOKENIZER_H
#define NPU_MODEL_TOKENIZER_H

#include "base/status.h"
#include "model/model-file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NpuTokenizer NpuTokenizer;

/* A token that the vocabulary lacks. */
#define NPU_TOKEN_NONE (-1)

/* Length of an interval between two timestamp tokens: one position of the
 * encoder. */
#define NPU_TIMESTAMP_MILLISECONDS 20

/* Each is a token below npu_tokenizer_size(). Those marked optional are
 * NPU_TOKEN_NONE in vocabularies that lack them. */
typedef struct
{
  int32_t end_of_text;
  int32_t start_of_transcript;
  int32_t translate;            /* optional */
  int32_t transcribe;           /* optional */
  int32_t start_of_lm;          /* optional */
  int32_t start_of_previous;    /* optional */
  int32_t no_speech;            /* optional */
  int32_t no_timestamps;        /* optional */
  int32_t first_timestamp;      /* stands for 0 s; optional */
  int32_t timestamp_count;      /* tokens from first_timestamp on; 0 if none */
  int32_t first_language;       /* optional */
  int32_t language_count;       /* tokens from first_language on; 0 if none */
} NpuSpecialTokens;

/**
 * npu_tokenizer_new:
 * Read the vocabulary of @file. In a ggml file that is part of the file; the
 * special tokens follow from the vocabulary's size as in whisper.cpp, or in
 * sizes other than Whisper's from their names. In a Hugging Face directory
 * it is tokenizer.json, or vocab.json with added_tokens.json (if there is
 * one); special tokens go by their names.
 *
 * @tokenizer  out, to be freed by npu_tokenizer_free(); NULL on failure. Does
 *             not refer to @file afterwards
 * @error      may be NULL
 *
 * Returns NPU_OK, NPU_EIO, NPU_EFORMAT, NPU_ENOTSUP or NPU_ENOMEM as
 * npu_model_file_open(). Any thread; blocks on the disk. The tokenizer never
 * changes afterwards, so that any number of threads may use it at once.
 */
NPU_API NpuStatus npu_tokenizer_new (const NpuModelFile * file,
    NpuTokenizer ** tokenizer, NpuError * error);

/**
 * npu_tokenizer_free:
 * @tokenizer may be NULL. No other thread may still be using it.
 */
NPU_API void npu_tokenizer_free (NpuTokenizer * tokenizer);

/**
 * npu_tokenizer_size:
 * Returns the number of tokens, special ones and unused ones included: the
 * config's vocabulary. Any thread.
 */
NPU_API int32_t npu_tokenizer_size (const NpuTokenizer * tokenizer);

/**
 * npu_tokenizer_special:
 * Returns the special tokens; lives as long as @tokenizer. Any thread.
 */
NPU_API const NpuSpecialTokens *npu_tokenizer_special (const NpuTokenizer *
    tokenizer);

/**
 * npu_tokenizer_multilingual:
 * Returns whether the model was trained on several languages. If so, its
 * prompt is start_of_transcript, a language, and transcribe or translate;
 * otherwise start_of_transcript alone. Both go on with no_timestamps where
 * no timestamps are wanted. Any thread.
 */
NPU_API bool npu_tokenizer_multilingual (const NpuTokenizer * tokenizer);

/**
 * npu_tokenizer_bytes:
 * The text of @token.
 *
 * @size  out: bytes, 0 for special tokens, timestamps and unused ones
 *
 * Returns the bytes (not terminated, perhaps not valid UTF-8 by themselves;
 * they live as long as @tokenizer), or NULL with size 0 when @token is not
 * below npu_tokenizer_size(). Any thread; never allocates.
 */
NPU_API const uint8_t *npu_tokenizer_bytes (const NpuTokenizer * tokenizer,
    int32_t token, size_t *size);

/**
 * npu_tokenizer_is_text:
 * Returns whether @token is an ordinary token: neither special, nor a
 * timestamp, nor unused, nor out of range. Any thread.
 */
NPU_API bool npu_tokenizer_is_text (const NpuTokenizer * tokenizer,
    int32_t token);

/**
 * npu_tokenizer_is_timestamp:
 * Returns whether @token is a timestamp; it then stands for
 * (token - first_timestamp) * NPU_TIMESTAMP_MILLISECONDS after the window's
 * start. Any thread.
 */
NPU_API bool npu_tokenizer_is_timestamp (const NpuTokenizer * tokenizer,
    int32_t token);

/**
 * npu_tokenizer_language_token:
 * Look up a language by its code ("en", "de", "yue"; case is ignored, and
 * what follows a '-' or '_' too, so that "en-US" is "en"). Codes are
 * Whisper's: ISO 639-1 where there is one ("jv" is accepted for its "jw").
 *
 * Returns the token, or NPU_TOKEN_NONE when this vocabulary lacks it. Any
 * thread.
 */
NPU_API int32_t npu_tokenizer_language_token (const NpuTokenizer * tokenizer,
    const char *code);

/**
 * npu_tokenizer_language_code:
 * Returns the code of a language token (first_language ... + language_count
 * - 1), or NULL for any other token. Static. Any thread.
 */
NPU_API const char *npu_tokenizer_language_code (const NpuTokenizer *
    tokenizer, int32_t token);

/**
 * npu_tokenizer_suppressed:
 * Tokens that may never be chosen: generation_config.json's suppress_tokens
 * (else config.json's); where there is none, and for ggml files, OpenAI's
 * non-speech rule (brackets, music signs and the like). In any case
 * start_of_transcript, translate, transcribe, start_of_lm, start_of_previous
 * and no_speech are among them.
 *
 * @count  out
 *
 * Returns the tokens in ascending order, each once; they live as long as
 * @tokenizer. Any thread.
 */
NPU_API const int32_t *npu_tokenizer_suppressed (const NpuTokenizer *
    tokenizer, size_t *count);

/**
 * npu_tokenizer_begin_suppressed:
 * Tokens that may not be the first one of a window: begin_suppress_tokens,
 * else the token of a single space (if there is one) and end_of_text.
 *
 * @count  out
 *
 * Returns as npu_tokenizer_suppressed().
 */
NPU_API const int32_t *npu_tokenizer_begin_suppressed (const NpuTokenizer *
    tokenizer, size_t *count);

#endif
