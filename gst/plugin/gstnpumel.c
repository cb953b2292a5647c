/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The element npumel: caps, segments, events, latency and properties. The
 * time of the frames is kept in gstnpumeltimeline.c, their memory in
 * gstnpumelwriter.c, and every sample goes through GstAudioConverter and
 * libnpu-mel.
 */

/**
 * SECTION:element-npumel
 * @title: npumel
 * @short_description: computes log-mel frames for a speech model
 *
 * Turns any raw audio into the log-mel frames that Whisper's encoder takes:
 * 80 or 128 values, whichever downstream asks for, every 10 ms. The values
 * are raw decimal logarithms of power; the scaling that follows in Whisper
 * depends on a window of 30 s and belongs to the encoder.
 *
 * A frame at the time t covers the audio from t - 12.5 ms to t + 12.5 ms;
 * N seconds of audio give 100 N frames, rounded down.
 *
 * Holes in the audio of at most #GstNpuMel:max-gap become silent frames, by
 * default those that fit into a window of the encoder. Behind a longer one the
 * frames begin anew, with a buffer marked DISCONT; a GAP event covers what lies
 * between.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! npumel ! fakesink
 * ]| Frames of a test tone.
 * |[
 * gst-launch-1.0 -v audiotestsrc num-buffers=100 ! audio/x-raw,rate=44100,channels=2 ! npumel frames-per-buffer=100 ! "tensor/strided,dims=<0,128>" ! fakesink silent=false
 * ]| Buffers of one second of 128 bands, each with its time.
 */
#include "gstnpumel.h"

#include <string.h>

#include <gst/audio/audio.h>

#include "gstnpucaps.h"
#include "gstnpuerror.h"
#include "gstnpumeltimeline.h"
#include "gstnpusegment.h"
#include "pipeline/timeline.h"

GST_DEBUG_CATEGORY (npumel_debug);
#define GST_CAT_DEFAULT npumel_debug

#define DEFAULT_FRAMES_PER_BUFFER 10
#define MAX_FRAMES_PER_BUFFER 3000
#define DEFAULT_ALIGNMENT_THRESHOLD (40 * GST_MSECOND)
#define DEFAULT_DISCONT_WAIT (1 * GST_SECOND)
#define DEFAULT_MAX_GAP GST_CLOCK_TIME_NONE

/* A duration that is further off than by rounding is wrong. */
#define ROUNDING (1 * GST_MSECOND)

/* Sound below 500 Hz alone is no speech; above, the filters of the resampler
 * become large. */
#define RATES "[ 1000, 1536000 ]"
#define LAYOUTS "layout = (string) { interleaved, non-interleaved }"
#define PREFERRED(format) "audio/x-raw, format = (string) " format \
  ", rate = (int) 16000, channels = (int) 1, " LAYOUTS "; "
/* GstAudioConverter mixes no more. */
#define CHANNELS "[ 1, 63 ]"

#define SINK_CAPS PREFERRED (GST_AUDIO_NE (F32)) PREFERRED (GST_AUDIO_NE (S16)) \
  "audio/x-raw, format = (string) " GST_AUDIO_FORMATS_ALL \
  ", rate = (int) " RATES ", channels = (int) " CHANNELS ", " LAYOUTS

struct _GstNpuMel
{
  GstElement element;
  GstPad *sinkpad;
  GstPad *srcpad;

  /* under the object lock */
  guint frames_per_buffer;
  GstClockTime converter_latency;

  /* streaming thread only */
  GstSegment segment;
  gboolean segment_refused, input_refused, output_refused;
  gboolean said_uneven;
  gint64 idle_since;            /* monotonic, microseconds; 0 at first */
  GstNpuMelTimeline timeline;
};

enum
{
  PROP_0,
  PROP_FRAMES_PER_BUFFER,
  PROP_ALIGNMENT_THRESHOLD,
  PROP_DISCONT_WAIT,
  PROP_MAX_GAP,
  PROP_STATS
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SINK_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NPU_MEL_CAPS));

G_DEFINE_TYPE (GstNpuMel, gst_npu_mel, GST_TYPE_ELEMENT);
GST_ELEMENT_REGISTER_DEFINE (npumel, "npumel", GST_RANK_NONE, GST_TYPE_NPU_MEL);

/* --- negotiation --- */

static gboolean
update_latency (GstNpuMel * self)
{
  GstClockTime latency = self->timeline.converter ?
      gst_npu_mono_converter_latency (self->timeline.converter) : 0;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  changed = latency != self->converter_latency;
  self->converter_latency = latency;
  GST_OBJECT_UNLOCK (self);
  return changed;
}

/* The bands that downstream takes, 80 where it takes both; 0 for none. */
static guint
choose_bands (GstNpuMel * self)
{
  GstCaps *ours = gst_pad_get_pad_template_caps (self->srcpad);
  GstCaps *allowed = gst_pad_peer_query_caps (self->srcpad, ours);
  GstCaps *both = gst_caps_intersect_full (ours, allowed,
      GST_CAPS_INTERSECT_FIRST);
  guint bands = 0;

  /* a peer that is shut down may take nothing; that is no error */
  if (gst_npu_mel_caps_get_bands (both, &bands))
    self->output_refused = FALSE;
  else if (!GST_PAD_IS_FLUSHING (self->srcpad)
      && gst_npu_is_refused_anew (&self->output_refused))
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("What follows npumel takes no log-mel frames that it can make: link "
            "npuencoder behind it, and remove caps filters that do not fit "
            "the model."), ("downstream takes %" GST_PTR_FORMAT, allowed));
  gst_caps_unref (both);
  gst_caps_unref (allowed);
  gst_caps_unref (ours);
  return bands;
}

/* Agree with downstream on caps and memory. */
static gboolean
negotiate (GstNpuMel * self)
{
  GstNpuMelWriter *writer = &self->timeline.writer;
  guint bands = choose_bands (self);
  guint frames_per_buffer;

  if (bands == 0)
    return FALSE;
  if (writer->mel && npu_mel_bands (writer->mel) != bands
      && gst_npu_mel_timeline_end (&self->timeline) != GST_FLOW_OK)
    GST_DEBUG_OBJECT (self, "the last frames were not taken");
  GST_OBJECT_LOCK (self);
  frames_per_buffer = self->frames_per_buffer;
  GST_OBJECT_UNLOCK (self);
  return gst_npu_mel_writer_negotiate (writer, bands, frames_per_buffer);
}

static gboolean
accepts_input (GstNpuMel * self, const GstCaps * caps)
{
  GstCaps *ours = gst_pad_get_pad_template_caps (self->sinkpad);
  GstAudioInfo info;
  gboolean accepted = gst_caps_can_intersect (caps, ours)
      && gst_audio_info_from_caps (&info, caps)
      && gst_npu_mel_timeline_set_format (&self->timeline, &info);

  gst_caps_unref (ours);
  return accepted;
}

static gboolean
set_input_caps (GstNpuMel * self, const GstCaps * caps)
{
  if (!accepts_input (self, caps)) {
    if (gst_npu_is_refused_anew (&self->input_refused))
      GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
          ("Only raw audio of 1000 Hz or more and 1 to 63 channels can be "
              "transcribed: put decodebin in front of npumel, or audioconvert "
              "and audioresample."), ("got %" GST_PTR_FORMAT, caps));
    return FALSE;
  }
  self->input_refused = FALSE;
  if (update_latency (self))
    gst_element_post_message (GST_ELEMENT (self),
        gst_message_new_latency (GST_OBJECT (self)));
  if (!self->timeline.writer.mel && !negotiate (self)) {
    gst_pad_mark_reconfigure (self->srcpad);
    return FALSE;
  }
  return TRUE;
}

/* --- input --- */

/* Clipping reckons with the duration, so it must not be more than that of the
 * samples, nor much less. */
static gboolean
has_true_duration (GstNpuMel * self, GstBuffer * buffer, gsize samples)
{
  GstClockTime claimed = GST_BUFFER_DURATION (buffer);
  GstClockTime duration = gst_util_uint64_scale_ceil (samples, GST_SECOND,
      GST_AUDIO_INFO_RATE (&self->timeline.info));

  return !GST_CLOCK_TIME_IS_VALID (claimed)
      || (claimed <= duration && duration - claimed < ROUNDING);
}

/* Make @buffer one that the functions of GStreamer's audio library take.
 * Returns NULL when nothing of it lies in the segment. */
static GstBuffer *
prepare_buffer (GstNpuMel * self, GstBuffer * buffer)
{
  const GstAudioInfo *info = &self->timeline.info;
  GstAudioMeta *meta = gst_buffer_get_audio_meta (buffer);
  gint bpf = GST_AUDIO_INFO_BPF (info);
  gsize size = gst_buffer_get_size (buffer);
  gsize samples = meta ? meta->samples : size / bpf;

  if (!meta && size % bpf != 0) {
    if (gst_npu_is_refused_anew (&self->said_uneven))
      GST_ELEMENT_WARNING (self, STREAM, FORMAT,
          ("A buffer ends in the middle of a sample, and what follows may be "
              "noise: put rawaudioparse in front of npumel."),
          ("%" G_GSIZE_FORMAT " bytes, samples of %d", size, bpf));
    buffer = gst_buffer_make_writable (buffer);
    gst_buffer_set_size (buffer, samples * bpf);
  }
  if (!meta
      && GST_AUDIO_INFO_LAYOUT (info) == GST_AUDIO_LAYOUT_NON_INTERLEAVED) {
    buffer = gst_buffer_make_writable (buffer);
    gst_buffer_add_audio_meta (buffer, info, samples, NULL);
  }
  if (!has_true_duration (self, buffer, samples)) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  }
  return gst_audio_buffer_clip (buffer, &self->segment,
      GST_AUDIO_INFO_RATE (info), bpf);
}

/* Since the last buffer was done with, there was nothing to do but to wait for
 * this one. */
static void
record_capture (GstNpuMel * self)
{
  if (self->idle_since)
    npu_timeline_record (NPU_LANE_CAPTURE, self->timeline.writer.offset,
        self->idle_since * GST_USECOND, g_get_monotonic_time () * GST_USECOND);
}

/* The stream has ended. */
static void
warn_of_nothing (GstNpuMel * self)
{
  guint64 frames;

  GST_OBJECT_LOCK (self);
  frames = self->timeline.writer.counts.frames;
  GST_OBJECT_UNLOCK (self);
  if (frames == 0 && !self->input_refused && !self->segment_refused
      && !self->output_refused)
    GST_ELEMENT_WARNING (self, STREAM, DECODE,
        ("The stream ended before 10 ms of audio had come: there is nothing to "
            "transcribe. Is the file complete, and the source the right one?"),
        (NULL));
}

static GstFlowReturn
gst_npu_mel_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  GstNpuMel *self = GST_NPU_MEL (parent);
  GstFlowReturn flow;

  if (self->segment_refused) {
    gst_buffer_unref (buffer);
    return GST_FLOW_ERROR;
  }
  if (!self->timeline.converter || self->input_refused) {
    gst_buffer_unref (buffer);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  if (gst_pad_check_reconfigure (self->srcpad) && !negotiate (self)) {
    gst_buffer_unref (buffer);
    gst_pad_mark_reconfigure (self->srcpad);
    return GST_PAD_IS_FLUSHING (self->srcpad) ? GST_FLOW_FLUSHING :
        GST_FLOW_NOT_NEGOTIATED;
  }
  buffer = prepare_buffer (self, buffer);
  if (!buffer)
    return GST_FLOW_OK;
  record_capture (self);
  flow = gst_npu_mel_timeline_take_buffer (&self->timeline, buffer);
  gst_buffer_unref (buffer);
  self->idle_since = g_get_monotonic_time ();
  return flow;
}

/* --- events --- */

static void
begin_stream (GstNpuMel * self)
{
  gst_npu_mel_timeline_forget (&self->timeline);
  gst_npu_mel_writer_begin_stream (&self->timeline.writer);
  self->timeline.next_time = self->segment.start;
  self->segment_refused = FALSE;
  self->output_refused = FALSE;
}

static void
flush (GstNpuMel * self)
{
  gst_segment_init (&self->segment, GST_FORMAT_TIME);
  begin_stream (self);
}

static gboolean
refuse_segment (GstNpuMel * self, const GstSegment * segment)
{
  if (!gst_npu_is_refused_anew (&self->segment_refused))
    return FALSE;
  if (segment->format != GST_FORMAT_TIME)
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("The audio comes without time: put rawaudioparse or decodebin in "
            "front of npumel."), ("the segment's format is %s, not time",
            gst_format_get_name (segment->format)));
  else
    GST_ELEMENT_ERROR (self, STREAM, NOT_IMPLEMENTED,
        ("Speech cannot be understood backwards: seek with a positive rate."),
        ("the segment's rate is %f", segment->rate));
  return FALSE;
}

static gboolean
set_segment (GstNpuMel * self, const GstSegment * segment)
{
  if (segment->format != GST_FORMAT_TIME || segment->rate < 0)
    return refuse_segment (self, segment);
  self->segment_refused = FALSE;

  if (gst_npu_segment_is_update (&self->segment, segment)) {
    self->segment = *segment;
    return TRUE;
  }
  if (gst_npu_mel_timeline_end (&self->timeline) != GST_FLOW_OK)
    GST_DEBUG_OBJECT (self, "the last frames were not taken");
  self->segment = *segment;
  self->timeline.next_time = segment->start;
  self->timeline.writer.discont = TRUE;
  self->timeline.writer.offset = 0;
  return TRUE;
}

static gboolean
take_caps_event (GstNpuMel * self, GstEvent * event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  return set_input_caps (self, caps);
}

static gboolean
take_segment_event (GstNpuMel * self, GstEvent * event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  return set_segment (self, segment);
}

static gboolean
take_gap_event (GstNpuMel * self, GstEvent * event)
{
  GstFlowReturn flow = GST_FLOW_OK;
  GstClockTime time, duration;
  gboolean covered = FALSE;

  gst_event_parse_gap (event, &time, &duration);
  if (GST_CLOCK_TIME_IS_VALID (time) && GST_CLOCK_TIME_IS_VALID (duration))
    flow = gst_npu_mel_timeline_take_gap (&self->timeline, time + duration,
        &covered);
  if (!covered)
    return gst_pad_push_event (self->srcpad, event);
  gst_event_unref (event);
  return flow == GST_FLOW_OK;
}

static gboolean
take_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstNpuMel *self = GST_NPU_MEL (parent);
  gboolean accepted;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      /* downstream gets caps of frames */
      accepted = take_caps_event (self, event);
      gst_event_unref (event);
      return accepted;
    case GST_EVENT_SEGMENT:
      if (!take_segment_event (self, event)) {
        gst_event_unref (event);
        return FALSE;
      }
      break;
    case GST_EVENT_GAP:
      return take_gap_event (self, event);
    case GST_EVENT_STREAM_START:
      gst_npu_mel_timeline_end (&self->timeline);
      begin_stream (self);
      break;
    case GST_EVENT_EOS:
      gst_npu_mel_timeline_end (&self->timeline);
      warn_of_nothing (self);
      break;
    case GST_EVENT_FLUSH_STOP:
      flush (self);
      break;
    default:
      break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static GstFlowReturn
gst_npu_mel_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);

  return gst_npu_event_flow (GST_NPU_MEL (parent)->srcpad, type,
      take_event (pad, parent, event));
}

static gboolean
gst_npu_mel_src_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE) {
    /* concerns frames and their memory, not the audio */
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* --- queries --- */

/* A frame waits for the last sample of its buffer's last frame, and that for
 * the converter. */
static GstClockTime
own_latency (GstNpuMel * self)
{
  GstClockTime latency;
  guint frames;

  GST_OBJECT_LOCK (self);
  frames = self->timeline.writer.counts.frames_per_buffer;
  if (frames == 0)
    frames = self->frames_per_buffer;
  latency = (frames - 1) * GST_NPU_MEL_FRAME_DURATION
      + gst_util_uint64_scale_ceil (NPU_MEL_LOOK_AHEAD, GST_SECOND,
      NPU_MEL_RATE) + self->converter_latency;
  GST_OBJECT_UNLOCK (self);
  return latency;
}

static gboolean
gst_npu_mel_src_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstNpuMel *self = GST_NPU_MEL (parent);
  GstClockTime min, max, latency;
  gboolean live;

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return gst_pad_query_default (pad, parent, query);
  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  latency = own_latency (self);
  min += latency;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += latency;
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

static gboolean
gst_npu_mel_sink_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstCaps *filter, *ours, *caps;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      gst_query_parse_caps (query, &filter);
      ours = gst_pad_get_pad_template_caps (pad);
      /* in our order: it says what we prefer */
      caps = filter ? gst_caps_intersect_full (ours, filter,
          GST_CAPS_INTERSECT_FIRST) : gst_caps_ref (ours);
      gst_query_set_caps_result (query, caps);
      gst_caps_unref (caps);
      gst_caps_unref (ours);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      /* what does not fit gets in, to be refused with a message */
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      gst_query_add_allocation_meta (query, GST_AUDIO_META_API_TYPE, NULL);
      return TRUE;
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

/* --- element --- */

static void
stop (GstNpuMel * self)
{
  flush (self);
  self->input_refused = self->said_uneven = FALSE;
  gst_npu_mel_timeline_clear (&self->timeline);
  update_latency (self);
}

static void
clear_counts (GstNpuMel * self)
{
  GST_OBJECT_LOCK (self);
  memset (&self->timeline.writer.counts, 0,
      sizeof (self->timeline.writer.counts));
  self->timeline.silent_samples = self->timeline.left_out_samples = 0;
  GST_OBJECT_UNLOCK (self);
  self->timeline.writer.pool.misses = 0;
}

static GstStateChangeReturn
gst_npu_mel_change_state (GstElement * element, GstStateChange transition)
{
  GstNpuMel *self = GST_NPU_MEL (element);
  GstStateChangeReturn result;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    clear_counts (self);
  result = GST_ELEMENT_CLASS (gst_npu_mel_parent_class)->change_state (element,
      transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    stop (self);
  return result;
}

static GstStructure *
make_stats (GstNpuMel * self)
{
  const GstNpuMelCounts *counts = &self->timeline.writer.counts;

  return gst_structure_new ("npumel-stats",
      "frames", G_TYPE_UINT64, counts->frames,
      "silent-samples", G_TYPE_UINT64, self->timeline.silent_samples,
      "left-out-samples", G_TYPE_UINT64, self->timeline.left_out_samples,
      "unusable-samples", G_TYPE_UINT64, counts->unusable_samples,
      "pool-misses", G_TYPE_UINT64, counts->pool_misses, NULL);
}

static void
gst_npu_mel_set_property (GObject * object, guint id, const GValue * value,
    GParamSpec * spec)
{
  GstNpuMel *self = GST_NPU_MEL (object);
  GstNpuMelSettings *settings = &self->timeline.settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_FRAMES_PER_BUFFER:
      self->frames_per_buffer = g_value_get_uint (value);
      break;
    case PROP_ALIGNMENT_THRESHOLD:
      settings->alignment_threshold = g_value_get_uint64 (value);
      break;
    case PROP_DISCONT_WAIT:
      settings->discont_wait = g_value_get_uint64 (value);
      break;
    case PROP_MAX_GAP:
      settings->max_gap = g_value_get_uint64 (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_npu_mel_get_property (GObject * object, guint id, GValue * value,
    GParamSpec * spec)
{
  GstNpuMel *self = GST_NPU_MEL (object);
  GstNpuMelSettings *settings = &self->timeline.settings;

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_FRAMES_PER_BUFFER:
      g_value_set_uint (value, self->frames_per_buffer);
      break;
    case PROP_ALIGNMENT_THRESHOLD:
      g_value_set_uint64 (value, settings->alignment_threshold);
      break;
    case PROP_DISCONT_WAIT:
      g_value_set_uint64 (value, settings->discont_wait);
      break;
    case PROP_MAX_GAP:
      g_value_set_uint64 (value, settings->max_gap);
      break;
    case PROP_STATS:
      g_value_take_boxed (value, make_stats (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, spec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_npu_mel_finalize (GObject * object)
{
  /* a stream may have run on pads that were activated by hand */
  stop (GST_NPU_MEL (object));
  G_OBJECT_CLASS (gst_npu_mel_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass * object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
      | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (object_class, PROP_FRAMES_PER_BUFFER,
      g_param_spec_uint ("frames-per-buffer", "Frames per buffer",
          "Frames of 10 ms in a buffer; more of them cost less and add latency",
          1, MAX_FRAMES_PER_BUFFER, DEFAULT_FRAMES_PER_BUFFER, flags));
  g_object_class_install_property (object_class, PROP_ALIGNMENT_THRESHOLD,
      g_param_spec_uint64 ("alignment-threshold", "Alignment threshold",
          "How far the times of buffers may be from the count of samples, in "
          "nanoseconds", 0, G_MAXINT64, DEFAULT_ALIGNMENT_THRESHOLD, flags));
  g_object_class_install_property (object_class, PROP_DISCONT_WAIT,
      g_param_spec_uint64 ("discont-wait", "Discont wait",
          "How long times must be beyond the alignment threshold before they "
          "are believed, in nanoseconds", 0, G_MAXINT64, DEFAULT_DISCONT_WAIT,
          flags));
  g_object_class_install_property (object_class, PROP_MAX_GAP,
      g_param_spec_uint64 ("max-gap", "Longest gap",
          "The longest hole in the audio that becomes silence, in nanoseconds; "
          "behind a longer one the frames begin anew; -1: as long as a window "
          "of the encoder, without one 30 s", 0, G_MAXUINT64, DEFAULT_MAX_GAP,
          flags));
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Counts since the element was started: frames sent, samples filled "
          "in as silence, left out because they came twice, heard as silence "
          "because they were no numbers, and buffers that downstream's pool "
          "lacked", GST_TYPE_STRUCTURE,
          G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_npu_mel_class_init (GstNpuMelClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstPadTemplate *sink = gst_static_pad_template_get (&sink_template);
  GstCaps *documented = gst_caps_from_string ("audio/x-raw, rate = (int) "
      RATES ", channels = (int) " CHANNELS ", " LAYOUTS);

  GST_DEBUG_CATEGORY_INIT (npumel_debug, "npumel", 0, "log-mel front end");
  object_class->set_property = gst_npu_mel_set_property;
  object_class->get_property = gst_npu_mel_get_property;
  object_class->finalize = gst_npu_mel_finalize;
  element_class->change_state = gst_npu_mel_change_state;
  install_properties (object_class);

  gst_pad_template_set_documentation_caps (sink, documented);
  gst_caps_unref (documented);
  gst_element_class_add_pad_template (element_class, sink);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Log-mel front end",
      "Filter/Converter/Audio",
      "Computes the log-mel frames that a speech model takes",
      "The gst-npu developers");
}

static void
gst_npu_mel_init (GstNpuMel * self)
{
  GstNpuMelSettings *settings = &self->timeline.settings;

  self->frames_per_buffer = DEFAULT_FRAMES_PER_BUFFER;
  settings->alignment_threshold = DEFAULT_ALIGNMENT_THRESHOLD;
  settings->discont_wait = DEFAULT_DISCONT_WAIT;
  settings->max_gap = DEFAULT_MAX_GAP;

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_npu_mel_chain);
  gst_pad_set_event_full_function (self->sinkpad, gst_npu_mel_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_npu_mel_sink_query);
  GST_PAD_SET_ACCEPT_TEMPLATE (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, gst_npu_mel_src_event);
  gst_pad_set_query_function (self->srcpad, gst_npu_mel_src_query);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  gst_npu_mel_timeline_init (&self->timeline, GST_ELEMENT (self), self->srcpad);
  flush (self);
}
