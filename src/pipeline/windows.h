/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which frames make the next window: pure counting, no memory, no threads.
 *
 * Fixed windows (nobody decodes): one is due whenever another @hop of frames
 * has come; it covers the newest @window frames, or all since the start while
 * there are fewer. With hop = window every frame is in exactly one window.
 * Driven windows (a decoder answers): one is due when @hop frames more than
 * the last one covered have come, or when @window frames are there; the answer
 * says where the next one starts, and none is due before it came.
 * A window ends where it became due, even if more frames are there already:
 * which windows there are depends on the frames and answers alone, not on the
 * time at which they come.
 */
#ifndef NPU_PIPELINE_WINDOWS_H
#define NPU_PIPELINE_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct
{
  uint64_t id;                  /* counts from 0, never reset by a flush */
  uint64_t first;               /* number of the first frame */
  uint32_t frames;              /* valid frames, 1 ... window */
  bool final;                   /* the stream's end is inside it */
} NpuWindow;

typedef struct
{
  uint32_t window;              /* frames */
  uint32_t hop;                 /* frames, 1 ... window */
  bool driven;
  /* the rest is private */
  uint64_t next_id;
  uint64_t start;               /* driven: of the next window; fixed: of all */
  uint64_t covered;             /* end of the last window */
  uint64_t due;                 /* end of the next one */
  bool answered;                /* since the (re)start */
  bool waiting;                 /* for the answer to this window: */
  uint64_t waiting_id;
  uint32_t waiting_frames;
  bool waiting_full;
  uint64_t least_start;         /* frames before it are left out */
} NpuWindows;

/**
 * npu_windows_init:
 * Begin with frame 0; @hop is clamped to 1 ... @window.
 */
NPU_API void npu_windows_init (NpuWindows * windows, uint32_t window,
    uint32_t hop, bool driven);

/**
 * npu_windows_restart:
 * Begin anew at frame @first (flush, discontinuity); ids go on.
 */
NPU_API void npu_windows_restart (NpuWindows * windows, uint64_t first);

/**
 * npu_windows_next:
 * Decide whether a window is due.
 *
 * @newest  number of the frame that comes next, that is: frames so far
 * @ended   no more frames will come
 * @window  out, when true is returned
 *
 * After the end the rest is handed out with @final set, then nothing more; a
 * driven one may come in several final windows, as the answers say. A driven
 * rest of less than NPU_WINDOW_REST frames after an answer is not worth a
 * window and is given up. A stream whose last window ended with it before the
 * end was known has no rest and no final window.
 */
NPU_API bool npu_windows_next (NpuWindows * windows, uint64_t newest,
    bool ended, NpuWindow * window);

/**
 * npu_windows_due:
 * Returns whether npu_windows_next() would hand out a window.
 */
NPU_API bool npu_windows_due (const NpuWindows * windows, uint64_t newest,
    bool ended);

/* Frames: 0.1 s. */
#define NPU_WINDOW_REST 10

/**
 * npu_windows_answer:
 * A decoder has finished with window @id; the next one starts at frame
 * @next. Answers for windows that are not awaited are ignored; @next is
 * clamped to the window's range, and a full window that was answered with its
 * own start moves on by its whole length (nothing repeats for ever).
 *
 * Returns true when the answer was the awaited one.
 */
NPU_API bool npu_windows_answer (NpuWindows * windows, uint64_t id,
    uint64_t next);

/**
 * npu_windows_set_lengths:
 * From the next window on, windows are @window long and come every @hop, which
 * is clamped to 1 ... @window. None covers frames that npu_windows_first_needed()
 * has given up: fixed windows grow to their new length.
 */
NPU_API void npu_windows_set_lengths (NpuWindows * windows, uint32_t window,
    uint32_t hop);

/**
 * npu_windows_waiting:
 * Returns how many frames, of those before @newest, have come after the next
 * window was due; 0 while it is not.
 */
NPU_API uint64_t npu_windows_waiting (const NpuWindows * windows,
    uint64_t newest);

/**
 * npu_windows_drop:
 * Leave out windows so that the next one is the last that can be due before
 * @newest. A driven one then starts @window before @newest, also when an
 * answer is awaited that would let it start earlier; by less than a hop it is
 * not moved.
 *
 * @lost  out: frames that no window covers therefore; may be NULL
 *
 * Returns how many windows are left out, 0 when the next one is that already.
 */
NPU_API uint32_t npu_windows_drop (NpuWindows * windows, uint64_t newest,
    uint64_t * lost);

/**
 * npu_windows_skip:
 * Leave out every window that begins before @end, where the audio breaks off;
 * then the next one begins there, also when an answer is awaited that would let
 * it begin earlier.
 *
 * @lost  out: frames that no window covers therefore; may be NULL
 *
 * Returns how many windows are left out.
 */
NPU_API uint32_t npu_windows_skip (NpuWindows * windows, uint64_t end,
    uint64_t * lost);

/**
 * npu_windows_first_needed:
 * Returns the first frame that a later window may cover; what lies before it
 * can be trimmed.
 */
NPU_API uint64_t npu_windows_first_needed (const NpuWindows * windows);

#endif
