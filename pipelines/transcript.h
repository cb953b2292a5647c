/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where a transcript goes: lines on standard output, a subtitle file, and a
 * progress line on the terminal that never mixes with the words.
 */
#ifndef NPU_TRANSCRIPT_H
#define NPU_TRANSCRIPT_H

#include <gst/gst.h>

typedef struct _NpuTranscript NpuTranscript;

typedef struct
{
  GstClockTime position;        /* end of what was heard */
  GstClockTime duration;        /* GST_CLOCK_TIME_NONE where it has no end */
  gint64 elapsed_us;            /* wall clock since the start */
} NpuProgress;

/**
 * npu_transcript_new:
 * @quiet  no progress line, and no word of where the subtitles are
 *
 * Returns a transcript without a subtitle file; npu_transcript_free() it.
 */
NpuTranscript *npu_transcript_new (gboolean quiet);

/**
 * npu_transcript_open_srt:
 * Write subtitles to @path, overwriting what is there: the user named it.
 *
 * Returns FALSE with @error where it cannot be written.
 */
gboolean npu_transcript_open_srt (NpuTranscript * self, const char *path,
    GError ** error);

/**
 * npu_transcript_open_srt_beside:
 * Write subtitles beside the media file @media, or in the current folder where
 * that cannot be written. A file that is there already is never overwritten:
 * `talk.srt` becomes `talk.1.srt` and so on; npu_transcript_finish() drops the
 * new one if it says the same as one of those before it.
 *
 * @media  file name with or without folders; only its last part is used where
 *         @has_folder is FALSE (a network address)
 *
 * Returns FALSE with @error where neither folder can be written.
 */
gboolean npu_transcript_open_srt_beside (NpuTranscript * self,
    const char *media, gboolean has_folder, GError ** error);

/**
 * npu_transcript_add:
 * Print one segment at once, and append it to the subtitle file. Empty text is
 * left out. Any thread.
 */
void npu_transcript_add (NpuTranscript * self, GstClockTime start,
    GstClockTime end, const char *text);

/**
 * npu_transcript_progress:
 * Renew the progress line, if standard error is a terminal. Never waits for
 * npu_transcript_add(). Any thread.
 */
void npu_transcript_progress (NpuTranscript * self,
    const NpuProgress * progress);

/**
 * npu_transcript_message:
 * Print a line on standard error without touching the progress line's rest.
 * Any thread.
 */
void npu_transcript_message (NpuTranscript * self, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/**
 * npu_transcript_finish:
 * Clear the progress line, complete the subtitle file and say where it is.
 * Without segments a subtitle file that the user did not name is removed.
 *
 * Returns FALSE, after a message, if words or subtitles could not be written.
 */
gboolean npu_transcript_finish (NpuTranscript * self);

/**
 * npu_transcript_segments:
 * Returns how many segments there were; after npu_transcript_finish().
 */
guint npu_transcript_segments (const NpuTranscript * self);

/**
 * npu_transcript_free:
 * @self  may be NULL
 */
void npu_transcript_free (NpuTranscript * self);

#endif
