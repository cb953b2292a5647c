/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Counting samples, and what happens to holes, jumps and drift.
 */
#include "gstnpumeltimeline.h"

#include <gstnpumessages.h>

GST_DEBUG_CATEGORY_EXTERN (npumel_debug);
#define GST_CAT_DEFAULT npumel_debug

/* Times are rounded on their way; nothing is mended for less than this. */
#define ROUNDING (1 * GST_MSECOND)
/* Audio that comes again is left out; when it is more, the clock was set back
 * and it is not the same audio. */
#define MAX_OVERLAP (1 * GST_SECOND)

void
gst_npu_mel_timeline_init (GstNpuMelTimeline * self, GstElement * element,
    GstPad * pad)
{
  self->element = element;
  self->pad = pad;
  gst_npu_mel_writer_init (&self->writer, element, pad);
}

void
gst_npu_mel_timeline_clear (GstNpuMelTimeline * self)
{
  gst_npu_mel_timeline_forget (self);
  gst_npu_mel_writer_clear (&self->writer);
  g_clear_pointer (&self->converter, gst_npu_mono_converter_free);
  g_clear_pointer (&self->align, gst_audio_stream_align_free);
}

/* --- time --- */

/* Time of the next sample that is taken. */
static GstClockTime
position (GstNpuMelTimeline * self)
{
  if (!self->in_stretch)
    return self->next_time;
  return self->start
      + gst_util_uint64_scale (self->converted, GST_SECOND, NPU_MEL_RATE)
      + gst_util_uint64_scale (gst_npu_mono_converter_samples (self->converter),
      GST_SECOND, GST_AUDIO_INFO_RATE (&self->info));
}

/* --- audio --- */

/* @audio may be NULL for silence. */
static GstFlowReturn
take_audio (GstNpuMelTimeline * self, const GstAudioBuffer * audio,
    guint64 first, guint64 count)
{
  GstFlowReturn flow = GST_FLOW_OK;

  while (flow == GST_FLOW_OK && count > 0) {
    gsize converted = MIN (count, G_MAXSIZE), mono_count;
    const gfloat *mono = gst_npu_mono_converter_convert (self->converter,
        audio, first, &converted, &mono_count);

    first += converted;
    count -= converted;
    flow = gst_npu_mel_writer_take (&self->writer, mono, mono_count);
  }
  return flow;
}

static GstFlowReturn
take_silence (GstNpuMelTimeline * self, GstClockTime length)
{
  guint64 samples = gst_util_uint64_scale_round (length,
      GST_AUDIO_INFO_RATE (&self->info), GST_SECOND);

  GST_DEBUG_OBJECT (self->element, "silence for %" GST_TIME_FORMAT,
      GST_TIME_ARGS (length));
  GST_OBJECT_LOCK (self->element);
  self->silent_samples += samples;
  GST_OBJECT_UNLOCK (self->element);
  return take_audio (self, NULL, 0, samples);
}

/* What is still in the converter goes on to the front end. */
static GstFlowReturn
drain_converter (GstNpuMelTimeline * self)
{
  gsize count;
  guint64 samples = gst_npu_mono_converter_samples (self->converter);
  const gfloat *mono = gst_npu_mono_converter_drain (self->converter, &count);

  self->converted += gst_util_uint64_scale (samples, NPU_MEL_RATE,
      GST_AUDIO_INFO_RATE (&self->info));
  return gst_npu_mel_writer_take (&self->writer, mono, count);
}

void
gst_npu_mel_timeline_forget (GstNpuMelTimeline * self)
{
  gst_npu_mel_writer_forget (&self->writer);
  if (self->converter)
    gst_npu_mono_converter_reset (self->converter);
  if (self->align)
    gst_audio_stream_align_mark_discont (self->align);
  self->in_stretch = FALSE;
  self->to_leave_out = 0;
  self->gap_length = 0;
}

static void
begin_stretch (GstNpuMelTimeline * self, GstClockTime time)
{
  GST_DEBUG_OBJECT (self->element, "frames begin at %" GST_TIME_FORMAT,
      GST_TIME_ARGS (time));
  gst_npu_mel_writer_begin (&self->writer, time);
  self->in_stretch = TRUE;
  self->start = time;
  self->converted = 0;
}

GstFlowReturn
gst_npu_mel_timeline_end (GstNpuMelTimeline * self)
{
  GstFlowReturn flow;

  if (!self->in_stretch)
    return GST_FLOW_OK;
  self->next_time = position (self);
  flow = drain_converter (self);
  if (flow == GST_FLOW_OK)
    flow = gst_npu_mel_writer_end (&self->writer);
  gst_npu_mel_timeline_forget (self);
  return flow;
}

gboolean
gst_npu_mel_timeline_set_format (GstNpuMelTimeline * self,
    const GstAudioInfo * info)
{
  GstNpuMonoConverter *converter;

  if (self->converter && gst_audio_info_is_equal (info, &self->info))
    return TRUE;
  converter = gst_npu_mono_converter_new (info);
  if (!converter)
    return FALSE;
  if (self->in_stretch && drain_converter (self) != GST_FLOW_OK)
    GST_DEBUG_OBJECT (self->element, "the last frames were not taken");
  g_clear_pointer (&self->converter, gst_npu_mono_converter_free);
  self->converter = converter;
  self->info = *info;
  self->to_leave_out = 0;

  g_clear_pointer (&self->align, gst_audio_stream_align_free);
  GST_OBJECT_LOCK (self->element);
  self->align = gst_audio_stream_align_new (GST_AUDIO_INFO_RATE (info),
      self->settings.alignment_threshold, self->settings.discont_wait);
  GST_OBJECT_UNLOCK (self->element);
  return TRUE;
}

/* --- holes, jumps and drift --- */

/* Whisper's, for when nobody downstream has windows. */
#define DEFAULT_WINDOW (30 * GST_SECOND)

static GstClockTime
max_gap (GstNpuMelTimeline * self)
{
  GstClockTime max;
  GstQuery *query;

  GST_OBJECT_LOCK (self->element);
  max = self->settings.max_gap;
  GST_OBJECT_UNLOCK (self->element);
  if (GST_CLOCK_TIME_IS_VALID (max))
    return max;
  query = gst_npu_query_new_window ();
  if (gst_pad_peer_query (self->pad, query))
    max = gst_npu_query_parse_window (query);
  gst_query_unref (query);
  return GST_CLOCK_TIME_IS_VALID (max) ? max : DEFAULT_WINDOW;
}

/* Begin anew at @time, and say that nothing comes before it. */
static GstFlowReturn
jump (GstNpuMelTimeline * self, GstClockTime time)
{
  GstClockTime end;
  GstFlowReturn flow;

  GST_INFO_OBJECT (self->element,
      "jump from %" GST_TIME_FORMAT " to %" GST_TIME_FORMAT,
      GST_TIME_ARGS (position (self)), GST_TIME_ARGS (time));
  flow = gst_npu_mel_timeline_end (self);
  end = gst_npu_mel_writer_sent (&self->writer);
  self->next_time = time;
  if (flow == GST_FLOW_OK && time > end)
    gst_pad_push_event (self->pad, gst_event_new_gap (end, time - end));
  return flow;
}

/* The next sample has the time @time, whatever was counted: fill what is
 * missing, leave out what comes twice, or begin anew. */
static GstFlowReturn
move_to (GstNpuMelTimeline * self, GstClockTime time)
{
  GstClockTimeDiff ahead = GST_CLOCK_DIFF (position (self), time);
  GstFlowReturn flow = GST_FLOW_OK;

  self->to_leave_out = 0;
  if (ABS (ahead) < (GstClockTimeDiff) ROUNDING)
    return GST_FLOW_OK;
  if (ahead > 0 && (GstClockTime) ahead <= max_gap (self)) {
    flow = take_silence (self, ahead);
  } else if (ahead < 0 && -ahead <= (GstClockTimeDiff) MAX_OVERLAP) {
    self->to_leave_out = gst_util_uint64_scale_round (-ahead,
        GST_AUDIO_INFO_RATE (&self->info), GST_SECOND);
    GST_DEBUG_OBJECT (self->element, "%" GST_TIME_FORMAT " come twice",
        GST_TIME_ARGS (-ahead));
  } else {
    flow = jump (self, time);
    begin_stretch (self, time);
  }
  return flow;
}

GstFlowReturn
gst_npu_mel_timeline_take_gap (GstNpuMelTimeline * self, GstClockTime end,
    gboolean * covered)
{
  GstClockTime now = position (self);
  GstClockTime ahead = end > now ? end - now : 0;
  GstFlowReturn flow;

  *covered = self->in_stretch;
  if (!self->in_stretch) {
    self->next_time = end;
    return GST_FLOW_OK;
  }
  if (ahead + self->gap_length > max_gap (self))
    return jump (self, end);
  self->gap_length += ahead;
  flow = take_silence (self, ahead);
  /* audio goes on where it says */
  gst_audio_stream_align_mark_discont (self->align);
  return flow;
}

/* --- buffers --- */

/* Returns how many of the @samples to leave out. */
static gsize
leave_out (GstNpuMelTimeline * self, gsize samples)
{
  gsize count = MIN (self->to_leave_out, samples);

  if (count == 0)
    return 0;
  self->to_leave_out -= count;
  GST_OBJECT_LOCK (self->element);
  self->left_out_samples += count;
  GST_OBJECT_UNLOCK (self->element);
  return count;
}

/* Bring the count of samples in line with the time of a buffer. */
static GstFlowReturn
align (GstNpuMelTimeline * self, GstBuffer * buffer, gsize samples)
{
  GstClockTime time = GST_BUFFER_PTS (buffer);
  gboolean discont = GST_BUFFER_IS_DISCONT (buffer)
      || GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_RESYNC);

  if (!GST_CLOCK_TIME_IS_VALID (time)) {
    time = position (self);
    discont = FALSE;
  }
  if (!self->in_stretch)
    begin_stretch (self, time);
  if (gst_audio_stream_align_process (self->align, discont, time, samples,
          NULL, NULL, NULL))
    return move_to (self, time);
  return GST_FLOW_OK;
}

GstFlowReturn
gst_npu_mel_timeline_take_buffer (GstNpuMelTimeline * self, GstBuffer * buffer)
{
  gboolean silent = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
  GstFlowReturn flow = GST_FLOW_OK;
  GstAudioBuffer audio;
  gsize first;

  if (!gst_audio_buffer_map (&audio, &self->info, buffer, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self->element, RESOURCE, READ,
        ("The memory of the audio cannot be read: put audioconvert in front "
            "of npumel."), (NULL));
    return GST_FLOW_ERROR;
  }
  if (audio.n_samples > 0) {
    flow = align (self, buffer, audio.n_samples);
    self->gap_length = 0;
    if (flow == GST_FLOW_OK) {
      first = leave_out (self, audio.n_samples);
      flow = take_audio (self, silent ? NULL : &audio, first,
          audio.n_samples - first);
    }
  }
  gst_audio_buffer_unmap (&audio);
  return flow;
}
