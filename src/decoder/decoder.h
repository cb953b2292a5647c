/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whisper's text decoder over one window at a time: greedy, with Whisper's
 * timestamp and suppression rules, the no-speech rule and a loop guard. It
 * says which segments are complete and where the next window should start
 * (long-form decoding as in whisper/transcribe.py). It knows nothing of clocks:
 * all times are positions of 20 ms from the window's start.
 *
 * Where it goes beyond Whisper:
 *  - Words that a window's end cuts, and windows without text, are handled as
 *    decoder/segments.h says; nothing is lost, nothing repeated.
 *  - The loop guard: decoding ends when the last tokens are the same 1 to 32
 *    tokens over and over, at least 16 tokens and 4 times; when there is more
 *    text than anybody can say in the time that was heard (decoder/segments.h);
 *    or when half of the text context is used up, Whisper's limit. Segments
 *    before the loop that could have been said are given out, and the next
 *    window starts at their end. Where there is none, what was written is
 *    thrown away, and as much as half of the window is decoded, half of that
 *    and so on, down to a second (Whisper tries higher temperatures instead). A
 *    window that will grow is left alone. Eight or more segments of one window
 *    in a row with the same text become the first of them.
 *  - Models that were trained at shortened contexts (config heard_context) are
 *    made for windows that grow: their first time may be anything (Whisper: at
 *    most 1 s), and a window in which no_speech is more probable than the
 *    threshold holds nothing, however sure the text would be. Where it is the
 *    most probable token after start_of_transcript, but less so than that, the
 *    threshold of the text decides.
 *  - Only text, times and the end of text can be chosen.
 */
#ifndef NPU_DECODER_DECODER_H
#define NPU_DECODER_DECODER_H

#include "model/model.h"

typedef struct NpuDecoder NpuDecoder;

typedef enum
{
  NPU_TASK_TRANSCRIBE,
  NPU_TASK_TRANSLATE,           /* to English; multilingual models only */
} NpuTask;

typedef struct
{
  const char *language;         /* ISO 639-1 code; NULL or "auto" to detect in
                                 * the first window with speech and keep. Not
                                 * kept after npu_decoder_create() */
  NpuTask task;
  float no_speech_threshold;    /* 0.6 in Whisper */
  float log_probability_threshold;      /* -1.0 in Whisper */
} NpuDecoderOptions;

#define NPU_DECODER_OPTIONS_DEFAULT \
  { NULL, NPU_TASK_TRANSCRIBE, 0.6f, -1.0f }

/**
 * npu_decoder_create:
 * Allocate caches and host memory for one stream. The weights need not be
 * loaded yet. Free with npu_decoder_free().
 *
 * Returns NPU_OK, NPU_EINVAL (an unknown language, listing known ones; another
 * language or translate with an English-only model), NPU_ENOTSUP (a model
 * without timestamps, a device that lacks an operation), NPU_ENOMEM, NPU_EBUSY
 * (no free queue).
 */
NPU_API NpuStatus npu_decoder_create (NpuModel * model,
    const NpuDecoderOptions * options, NpuDecoder ** decoder, NpuError * error);
NPU_API void npu_decoder_free (NpuDecoder * decoder);

/**
 * npu_decoder_reset:
 * Forget the stream (detected language); not while decoding.
 */
NPU_API void npu_decoder_reset (NpuDecoder * decoder);

/**
 * npu_decoder_cancel:
 * Make a npu_decoder_decode() that runs in another thread return NPU_ECANCELED
 * within one token, and later ones at once, until @cancel is false again. Any
 * thread.
 */
NPU_API void npu_decoder_cancel (NpuDecoder * decoder, bool cancel);

typedef struct
{
  const float *states;          /* positions rows of audio_width float32 */
  uint32_t positions;
  uint32_t valid;               /* positions that were heard, <= positions;
                                 * no timestamp lies beyond */
  bool silent;                  /* digital silence: nothing is decoded, states
                                 * may be NULL, next is valid */
  bool full;                    /* no more audio can be added to this window: it
                                 * has its full length or the stream ended */
  bool final;                   /* the stream ended */
} NpuDecoderWindow;

typedef struct
{
  uint32_t start;               /* positions from the window's start */
  uint32_t end;                 /* > start */
  const char *text;             /* valid UTF-8, trimmed, never empty */
  float log_probability;        /* mean over its tokens */
} NpuSegment;

typedef struct
{
  const NpuSegment *segments;   /* in order of time, never overlapping */
  size_t count;
  uint32_t next;                /* positions: where the next window starts, 0
                                 * ... valid; 0 only where the window is not
                                 * full */
  bool no_speech;               /* the window was judged to hold none */
  bool looped;                  /* the guard threw something away */
  float no_speech_probability;
  float log_probability;        /* mean over all tokens */
  const char *language;         /* code in use; "und" while unknown */
  uint32_t tokens;              /* decoded, for statistics */
} NpuTranscript;

/**
 * npu_decoder_decode:
 * Decode one window; waits for the weights if they are still loading.
 *
 * @transcript  out; points into the decoder, valid until its next call
 *
 * Returns NPU_OK, NPU_ECANCELED, or an error of the model or the device. One
 * thread at a time.
 */
NPU_API NpuStatus npu_decoder_decode (NpuDecoder * decoder,
    const NpuDecoderWindow * window, NpuTranscript * transcript,
    NpuError * error);

/**
 * npu_decoder_logits:
 * For tests and tools: run @count given tokens over @states and write the
 * logits after every one of them to @logits (count rows of the vocabulary's
 * size). Same errors as npu_decoder_decode().
 */
NPU_API NpuStatus npu_decoder_logits (NpuDecoder * decoder,
    const NpuDecoderWindow * window, const int32_t * tokens, uint32_t count,
    float *logits, NpuError * error);

#endif
