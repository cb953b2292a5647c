/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the tokens of one window to segments and to the position where the next
 * window starts: the slicing of whisper/transcribe.py. Pure logic; private to
 * the core. Tokens are as the rules of decoder/rules.h allow them, without the
 * end of text.
 *
 * In a full window:
 *  - Segments between two times are given out. Text after the last end, which
 *    the window's end cut, is left to the next window, which starts at that
 *    last end. Where the text has no end at all, it lasts to the window's end.
 *  - A start without text is what the window's end cut: the next window starts
 *    up to a second before it, since times are not exact, but not before the
 *    last end. Where nothing else was heard, it starts 0.3 s before, but goes on
 *    by a fortieth of the window at least; a start in the first twentieth is
 *    passed over, else a model that says nothing would make tiny steps.
 *  - After a last end without a start, the rest is taken for silence and the
 *    whole window is done (Whisper), or all but its last second, if the model
 *    leaves out words that a window cuts.
 *  - Where nothing was heard, all but the last second is done, in which a word
 *    may have begun; at the stream's end, everything.
 *  - Text that the stream's end cut is given out when too little is left for
 *    another window.
 *  - Segments with more text than anybody says in their time, and text that ran
 *    into the limit or a loop, are doubtful: neither they nor what follows is
 *    given out; the next window starts at the last end before. Where there is
 *    none, next is the whole window, and the caller better tries a shorter one.
 *  - A model that was trained with short silences does not hear, or writes at
 *    wrong times, what comes behind a longer one. Nothing behind that is given
 *    out; the next window starts at the last end before it, or a second on.
 * In a window that will grow: segments that cannot change are given out, that
 * is those that are followed by another time, or that end half a second before
 * what was heard; the next window starts at the end of the last one, or where
 * this one did.
 *
 * Eight or more segments with the same text in a row are a loop: the first of
 * them is kept.
 */
#ifndef NPU_DECODER_SEGMENTS_H
#define NPU_DECODER_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positions of 20 ms. */
#define NPU_SEGMENTS_SETTLED 25 /* half a second */
#define NPU_SEGMENTS_OVERLAP 50 /* a second */
#define NPU_SEGMENTS_MARGIN 15  /* less than what models are taught to take for
                                 * the window's beginning (0.5 s) */
/* The longest silence that a model with short silences surely hears across, and
 * the step through a longer one. The step is shorter by more than the times of a
 * model are wrong: no window then begins behind the start of what was missed. */
#define NPU_SEGMENTS_SILENCE 75
#define NPU_SEGMENTS_STEP 50
/* What a last window must have left to be worth decoding. */
#define NPU_SEGMENTS_REST 5

#define NPU_SEGMENTS_LOOP 8

/* Text that is said in no time at all, since times are not exact; and what is
 * said in a second at most. The fastest speakers reach 5 to 6 words. A token of
 * Whisper is 0.7 words of English, but scripts whose characters take two or
 * three tokens have been heard with 20 tokens a second; loops write hundreds. */
#define NPU_SEGMENTS_BURST 2
#define NPU_SEGMENTS_WORDS_A_SECOND 8
#define NPU_SEGMENTS_TOKENS_A_SECOND 25

typedef struct
{
  const int32_t *tokens;
  uint32_t count;
  int32_t first_timestamp;
  uint32_t valid;               /* positions heard */
  bool full;                    /* nothing can be added to the window */
  bool final;                   /* the stream ended in it */
  bool looped;                  /* the tokens were cut in a loop or at a limit */
  uint32_t fastest;             /* text tokens a second that can be said */
  bool leaves_cut_words;        /* the model was trained to */
  bool short_silences;          /* the model was trained with no others */
} NpuSegmentsInput;

typedef struct
{
  uint32_t start;               /* positions */
  uint32_t end;                 /* > start, <= valid */
  uint32_t first_token;         /* of its text */
  uint32_t token_count;         /* > 0 */
} NpuTokenSegment;

typedef struct
{
  NpuTokenSegment *segments;    /* room for count / 2 + 1 of the input */
  uint32_t count;
  uint32_t next;
  bool looped;
  bool doubtful;                /* text was left out since nobody says so much */
} NpuSegmentsOutput;

/**
 * npu_segments_most:
 * Returns how many text tokens can be said in so many positions if @fastest of
 * them can in a second.
 */
uint32_t npu_segments_most (uint32_t positions, uint32_t fastest);

/**
 * npu_segments_parse:
 * Never fails: whatever the tokens, segments are in order of time and do not
 * overlap, and next is 1 ... valid if full and valid > 0, else 0 ... valid.
 */
void npu_segments_parse (const NpuSegmentsInput * input,
    NpuSegmentsOutput * output);

/**
 * npu_segments_nothing:
 * Returns where the next window starts if this one was found to hold nothing.
 */
uint32_t npu_segments_nothing (const NpuSegmentsInput * input);

#endif
