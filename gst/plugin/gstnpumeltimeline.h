/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The time of npumel: from buffers of audio, with the times they claim, to a
 * count of samples. Time is counted in samples. A stretch is audio without a
 * hole: it begins at the time of its first sample, and its frame t is 10 t ms
 * later, however the times of the buffers wander. Where they wander too far,
 * GstAudioStreamAlign says so, and the count is mended with silence or by
 * leaving samples out; the frames stay in step. Only what is too long to be
 * mended ends a stretch.
 *
 * All but gst_npu_mel_timeline_init() and _clear() run in the streaming
 * thread. Settings and counts are guarded by the element's object lock.
 */
#ifndef GST_NPU_MEL_TIMELINE_H
#define GST_NPU_MEL_TIMELINE_H

#include "gstnpumelwriter.h"
#include "gstnpumonoconverter.h"

G_BEGIN_DECLS

typedef struct
{
  GstClockTime alignment_threshold;
  GstClockTime discont_wait;
  GstClockTime max_gap;
} GstNpuMelSettings;

typedef struct
{
  GstElement *element;          /* not owned, as is pad */
  GstPad *pad;
  GstNpuMelSettings settings;
  guint64 silent_samples;       /* filled in, at the rate of the input */
  guint64 left_out_samples;

  GstAudioInfo info;
  GstNpuMonoConverter *converter;       /* NULL before a format is set */
  GstAudioStreamAlign *align;
  GstNpuMelWriter writer;

  gboolean in_stretch;
  GstClockTime start;           /* of the stretch */
  guint64 converted;            /* mono samples, by earlier converters */
  guint64 to_leave_out;         /* samples of the input */
  GstClockTime gap_length;      /* since the last audio */
  GstClockTime next_time;       /* between stretches, of the next sample */
} GstNpuMelTimeline;

/* Leaves the settings to the caller. */
void gst_npu_mel_timeline_init (GstNpuMelTimeline * self, GstElement * element,
    GstPad * pad);
/* Back to the state after gst_npu_mel_timeline_init(), but for settings and
 * counts. */
void gst_npu_mel_timeline_clear (GstNpuMelTimeline * self);

/**
 * gst_npu_mel_timeline_set_format:
 * @info: what the buffers will hold
 *
 * A stretch goes on behind a change of format.
 *
 * Returns: %FALSE, with nothing changed, when @info cannot be converted
 */
gboolean gst_npu_mel_timeline_set_format (GstNpuMelTimeline * self,
    const GstAudioInfo * info);

/**
 * gst_npu_mel_timeline_take_buffer:
 * @buffer: audio in the format set, not outside the segment, planar audio with
 *   its meta
 *
 * Sends the frames that become complete.
 */
GstFlowReturn gst_npu_mel_timeline_take_buffer (GstNpuMelTimeline * self,
    GstBuffer * buffer);

/**
 * gst_npu_mel_timeline_take_gap:
 * @end: when audio goes on
 * @covered: (out): %TRUE when frames or a GAP event were sent for it; %FALSE
 *   when downstream is yet to be told
 */
GstFlowReturn gst_npu_mel_timeline_take_gap (GstNpuMelTimeline * self,
    GstClockTime end, gboolean * covered);

/* Send all frames of what was heard. Does nothing between stretches. */
GstFlowReturn gst_npu_mel_timeline_end (GstNpuMelTimeline * self);

/* Give up the stretch, whatever was pending. */
void gst_npu_mel_timeline_forget (GstNpuMelTimeline * self);

G_END_DECLS

#endif
