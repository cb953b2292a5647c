/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streaming side of npudecoder: which model decodes, what becomes of its
 * segments on the stream's clock, and the answers to the encoder. All decoding
 * is the core's.
 */
#include "gstnpudecoder.h"

#include <gstnpumessages.h>
#include <gstnpuwindowmeta.h>

#include "gstnpucaps.h"
#include "gstnpuerror.h"
#include "gstnpusegment.h"
#include "pipeline/timeline.h"
#include "pipeline/windows.h"

GST_DEBUG_CATEGORY_EXTERN (gst_npu_decoder_debug);
#define GST_CAT_DEFAULT gst_npu_decoder_debug

#define POSITION_DURATION (NPU_TIMESTAMP_MILLISECONDS * GST_MSECOND)

/* Waiting for weights, a flush is noticed this soon. */
#define SLICE (20 * GST_MSECOND)

/* Log-mel values up to here are digital silence, -10 but for rounding. */
#define SILENCE -9.999f

/* ---------------------------------------------------- text on the clock */

static void
send_gap_until (GstNpuDecoder * self, GstClockTime time)
{
  GstEvent *gap;

  if (!GST_CLOCK_TIME_IS_VALID (self->position) || time <= self->position)
    return;
  gap = gst_event_new_gap (self->position, time - self->position);
  self->position = time;
  gst_pad_push_event (self->srcpad, gap);
}

static GstBuffer *
make_text (GstNpuDecoder * self, const gchar * text)
{
  gchar *valid = g_utf8_make_valid (text, -1);
  gchar *whole;

  GST_OBJECT_LOCK (self);
  whole = g_strconcat (valid, self->separator, NULL);
  GST_OBJECT_UNLOCK (self);
  g_free (valid);
  return gst_buffer_new_wrapped (whole, strlen (whole));
}

static GstFlowReturn
push_segment (GstNpuDecoder * self, const NpuSegment * segment,
    GstClockTime window_start, GstClockTime window_end, gboolean repeated)
{
  GstClockTime start = window_start + segment->start * POSITION_DURATION;
  GstClockTime end = window_start + segment->end * POSITION_DURATION;
  GstBuffer *buffer;

  if (GST_CLOCK_TIME_IS_VALID (window_end))
    end = MIN (end, window_end);
  if (GST_CLOCK_TIME_IS_VALID (self->position)) {
    /* windows that overlap say the same twice */
    if (repeated && end <= self->position)
      return GST_FLOW_OK;
    start = MAX (start, self->position);
  }
  end = MAX (end, start + POSITION_DURATION);

  send_gap_until (self, start);
  buffer = make_text (self, segment->text);
  GST_BUFFER_PTS (buffer) = start;
  GST_BUFFER_DURATION (buffer) = end - start;
  self->position = end;
  GST_LOG_OBJECT (self, "%" GST_TIME_FORMAT " to %" GST_TIME_FORMAT ": %s",
      GST_TIME_ARGS (start), GST_TIME_ARGS (end), segment->text);
  return gst_pad_push (self->srcpad, buffer);
}

static void
send_language (GstNpuDecoder * self, const gchar * language)
{
  gboolean changed;

  if (!language)
    return;
  g_mutex_lock (&self->lock);
  changed = g_strcmp0 (language, self->language) != 0;
  g_strlcpy (self->language, language, sizeof (self->language));
  g_mutex_unlock (&self->lock);
  if (changed)
    gst_pad_push_event (self->srcpad,
        gst_event_new_tag (gst_tag_list_new (GST_TAG_LANGUAGE_CODE, language,
                NULL)));
}

static GstFlowReturn
push_transcript (GstNpuDecoder * self, GstBuffer * states,
    const GstNpuWindow * window, const NpuTranscript * transcript)
{
  GstClockTime start = GST_BUFFER_PTS (states);
  GstClockTime end = GST_CLOCK_TIME_NONE;
  GstClockTime decided;
  gboolean repeated = window->first_sample < self->next_sample;
  guint rest = window->valid_positions - MIN (transcript->next,
      window->valid_positions);
  GstFlowReturn flow = GST_FLOW_OK;

  if (!GST_CLOCK_TIME_IS_VALID (start))
    start = GST_CLOCK_TIME_IS_VALID (self->position) ? self->position : 0;
  if (GST_BUFFER_DURATION_IS_VALID (states))
    end = start + GST_BUFFER_DURATION (states);

  /* a clock that was set back is believed, or all that follows would be
   * squeezed behind the last text */
  if (GST_BUFFER_IS_DISCONT (states)
      && GST_CLOCK_TIME_IS_VALID (self->position) && start < self->position)
    self->position = start;

  if (transcript->count > 0)
    send_language (self, transcript->language);
  for (gsize i = 0; i < transcript->count && flow == GST_FLOW_OK; i++)
    flow = push_segment (self, &transcript->segments[i], start, end, repeated);

  decided = start + transcript->next * POSITION_DURATION;
  /* a shorter rest than this gets no window of its own */
  if (GST_CLOCK_TIME_IS_VALID (end)
      && (decided > end || (window->final && rest * 2 < NPU_WINDOW_REST)))
    decided = end;
  if (flow == GST_FLOW_OK)
    send_gap_until (self, decided);
  return flow;
}

/* ---------------------------------------------------------- the decoder */

void
gst_npu_decoder_use_model (GstNpuDecoder * self, NpuModel * model)
{
  NpuDecoder *old_decoder;
  NpuModel *old_model;

  g_mutex_lock (&self->lock);
  old_decoder = g_steal_pointer (&self->decoder);
  old_model = self->model;
  self->model = model ? npu_model_ref (model) : NULL;
  g_mutex_unlock (&self->lock);
  npu_decoder_free (old_decoder);
  npu_model_unref (old_model);
}

static gboolean
load_model (GstNpuDecoder * self, NpuModel * model)
{
  NpuError error = { 0 };

  if (model == self->model)
    return TRUE;
  gst_npu_decoder_use_model (self, model);
  GST_INFO_OBJECT (self, "model %s (%s)", npu_model_path (model),
      npu_model_digest (model));
  if (npu_model_load (model, NPU_MODEL_DECODER, &error) == NPU_OK)
    return TRUE;
  gst_npu_element_error (GST_ELEMENT (self), &error);
  return FALSE;
}

static gboolean
create_decoder (GstNpuDecoder * self)
{
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoder *decoder = NULL;
  NpuError error = { 0 };
  gchar *language;
  NpuStatus status;

  GST_OBJECT_LOCK (self);
  language = g_strdup (self->settings.language);
  options.task = self->settings.task;
  options.no_speech_threshold = self->settings.no_speech_threshold;
  options.log_probability_threshold =
      self->settings.log_probability_threshold;
  GST_OBJECT_UNLOCK (self);
  options.language = language;
  status = npu_decoder_create (self->model, &options, &decoder, &error);
  g_free (language);
  if (status != NPU_OK) {
    gst_npu_element_error (GST_ELEMENT (self), &error);
    return FALSE;
  }

  g_mutex_lock (&self->lock);
  self->decoder = decoder;
  npu_decoder_cancel (decoder, self->cancelled);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
is_cancelled (GstNpuDecoder * self)
{
  gboolean cancelled;

  g_mutex_lock (&self->lock);
  cancelled = self->cancelled;
  g_mutex_unlock (&self->lock);
  return cancelled;
}

void
gst_npu_decoder_set_cancelled (GstNpuDecoder * self, gboolean cancelled)
{
  g_mutex_lock (&self->lock);
  self->cancelled = cancelled;
  if (self->decoder)
    npu_decoder_cancel (self->decoder, cancelled);
  g_mutex_unlock (&self->lock);
}

static void
count_window (GstNpuDecoder * self, const NpuTranscript * transcript,
    gint64 started)
{
  GstNpuDecoderCounters *counters = &self->counters;

  g_mutex_lock (&self->lock);
  counters->windows++;
  counters->segments += transcript->count;
  counters->tokens += transcript->tokens;
  counters->silent += transcript->no_speech;
  counters->looped += transcript->looped;
  counters->last_decode_time =
      (g_get_monotonic_time () - started) * GST_USECOND;
  counters->decode_time += counters->last_decode_time;
  g_mutex_unlock (&self->lock);
}

/* Decode one window; the wait for weights is no part of the time counted. */
static NpuStatus
decode (GstNpuDecoder * self, guint64 id, const NpuDecoderWindow * window,
    NpuTranscript * transcript, NpuError * error)
{
  NpuStatus status;
  gint64 started;

  do {
    if (is_cancelled (self))
      return NPU_ECANCELED;
    status = npu_model_wait (self->model, NPU_MODEL_DECODER, SLICE, error);
  } while (status == NPU_ETIMEDOUT);
  if (status != NPU_OK)
    return status;

  started = g_get_monotonic_time ();
  status = npu_decoder_decode (self->decoder, window, transcript, error);
  npu_timeline_record (NPU_LANE_DECODE, id, started * GST_USECOND,
      g_get_monotonic_time () * GST_USECOND);
  if (status == NPU_OK)
    count_window (self, transcript, started);
  return status;
}

/* ------------------------------------------------------------ buffers */

/* Check that @states can be decoded, and see to it that there is a decoder. */
static GstFlowReturn
prepare (GstNpuDecoder * self, GstBuffer * states,
    const GstNpuWindowMeta * meta)
{
  if (self->width == 0)
    return GST_FLOW_NOT_NEGOTIATED;
  if (!meta) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Encoder states came without window metadata; an element between "
            "npuencoder and this one removed it, or they are not from "
            "npuencoder."), (NULL));
    return GST_FLOW_ERROR;
  }
  if (!self->model && self->override && !load_model (self, self->override))
    return GST_FLOW_ERROR;
  if (!self->model) {
    GST_ELEMENT_ERROR (self, STREAM, DECODE,
        ("No model came with the encoder states; link npuencoder before this "
            "element, or name the model in its property \"model\"."), (NULL));
    return GST_FLOW_ERROR;
  }
  if (self->width != npu_model_config (self->model)->audio_width
      || meta->window.positions == 0
      || meta->window.valid_positions > meta->window.positions
      || gst_buffer_get_size (states) / sizeof (gfloat) / self->width
      != meta->window.positions) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("A buffer of encoder states does not fit the model %s; link "
            "npuencoder before this element.",
            npu_model_path (self->model)),
        ("%" G_GSIZE_FORMAT " bytes for %u rows of %u",
            gst_buffer_get_size (states), meta->window.positions,
            self->width));
    return GST_FLOW_ERROR;
  }
  if (!self->decoder && !create_decoder (self))
    return GST_FLOW_ERROR;
  return GST_FLOW_OK;
}

/* Tell the encoder that @window is done with. */
static guint64
answer (GstNpuDecoder * self, const GstNpuWindow * window, guint next)
{
  guint64 next_sample = window->first_sample
      + (guint64) next * GST_NPU_SAMPLES_PER_POSITION;

  gst_pad_push_event (self->sinkpad,
      gst_npu_event_new_window_done (window->id, next_sample));
  return next_sample;
}

/* The encoder has sent window @id. If it got lost on the way, it is done with:
 * the encoder would wait for ever. */
static void
miss_window (GstNpuDecoder * self, guint64 id)
{
  if (self->seen_window == id)
    return;
  GST_DEBUG_OBJECT (self, "window %" G_GUINT64_FORMAT " never came", id);
  gst_pad_push_event (self->sinkpad,
      gst_npu_event_new_window_done (id, G_MAXUINT64));
}

static GstFlowReturn
decode_states (GstNpuDecoder * self, GstBuffer * states,
    const GstNpuWindow * window)
{
  NpuDecoderWindow work = {
    .positions = window->positions,
    .valid = window->valid_positions,
    .silent = window->peak <= SILENCE,
    .full = window->full,
    .final = window->final,
  };
  NpuTranscript transcript = { 0 };
  NpuError error = { 0 };
  NpuStatus status;
  GstFlowReturn flow;
  GstMapInfo map;
  guint64 next_sample;

  if (!gst_buffer_map (states, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ,
        ("A buffer of encoder states cannot be mapped for reading; link "
            "npuencoder directly before this element."), (NULL));
    return GST_FLOW_ERROR;
  }
  work.states = (const gfloat *) map.data;
  status = decode (self, window->id, &work, &transcript, &error);
  gst_buffer_unmap (states, &map);

  if (status != NPU_OK) {
    answer (self, window, window->valid_positions);
    if (status != NPU_ECANCELED) {
      gst_npu_element_error (GST_ELEMENT (self), &error);
      return GST_FLOW_ERROR;
    }
    g_mutex_lock (&self->lock);
    self->counters.cancelled++;
    g_mutex_unlock (&self->lock);
    return GST_FLOW_FLUSHING;
  }

  /* first, so that the next window is encoded while downstream takes text */
  next_sample = answer (self, window, transcript.next);
  flow = push_transcript (self, states, window, &transcript);
  self->next_sample = MAX (self->next_sample, next_sample);
  return flow;
}

GstFlowReturn
gst_npu_decoder_chain (GstPad * pad, GstObject * parent, GstBuffer * states)
{
  GstNpuDecoder *self = GST_NPU_DECODER (parent);
  GstNpuWindowMeta *meta = gst_buffer_get_npu_window_meta (states);
  GstFlowReturn flow;

  if (meta)
    self->seen_window = meta->window.id;
  flow = prepare (self, states, meta);
  if (flow == GST_FLOW_OK)
    flow = decode_states (self, states, &meta->window);
  gst_buffer_unref (states);
  return flow;
}

/* ------------------------------------------------------------- events */

static void
send_caps (GstNpuDecoder * self)
{
  GstCaps *caps;

  if (self->sent_caps)
    return;
  caps = gst_pad_get_pad_template_caps (self->srcpad);
  gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  self->sent_caps = !GST_PAD_IS_FLUSHING (self->srcpad);
}

/* Text is another stream than the audio that it comes from, and sparse. */
static gboolean
start_stream (GstNpuDecoder * self, GstEvent * event)
{
  GstStreamFlags flags;
  GstStream *stream;
  GstEvent *start;
  gchar *id;
  guint group;

  gst_event_parse_stream_flags (event, &flags);
  flags |= GST_STREAM_FLAG_SPARSE;
  id = gst_pad_create_stream_id (self->srcpad, GST_ELEMENT (self), "text");
  start = gst_event_new_stream_start (id);
  gst_event_set_stream_flags (start, flags);
  if (gst_event_parse_group_id (event, &group))
    gst_event_set_group_id (start, group);
  stream = gst_stream_new (id, NULL, GST_STREAM_TYPE_TEXT, flags);
  gst_event_set_stream (start, stream);
  gst_object_unref (stream);
  gst_event_set_seqnum (start, gst_event_get_seqnum (event));
  gst_event_unref (event);
  g_free (id);

  g_mutex_lock (&self->lock);
  if (self->decoder)
    npu_decoder_reset (self->decoder);
  self->language[0] = '\0';
  g_mutex_unlock (&self->lock);
  self->next_sample = 0;
  self->position = GST_CLOCK_TIME_NONE;
  if (!gst_pad_push_event (self->srcpad, start))
    return FALSE;
  send_caps (self);
  return TRUE;
}

static gboolean
start_segment (GstNpuDecoder * self, GstEvent * event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    if (gst_npu_is_refused_anew (&self->refused))
      GST_ELEMENT_ERROR (self, STREAM, FORMAT,
          ("Only encoder states in time format can be decoded; link npuencoder "
              "before this element."), (NULL));
    gst_event_unref (event);
    return FALSE;
  }
  self->refused = FALSE;
  if (!GST_CLOCK_TIME_IS_VALID (self->position)
      || !gst_npu_segment_is_update (&self->segment, segment)) {
    self->position = segment->start;
    self->next_sample = 0;
  }
  self->segment = *segment;
  send_caps (self);
  return gst_pad_push_event (self->srcpad, event);
}

/* Of the tags of the audio only its language is true of the text too. */
static gboolean
forward_tags (GstNpuDecoder * self, GstEvent * event)
{
  GstTagList *tags;
  gchar *language;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL)
    return gst_pad_push_event (self->srcpad, event);
  if (gst_tag_list_get_string (tags, GST_TAG_LANGUAGE_CODE, &language)) {
    gst_pad_push_event (self->srcpad,
        gst_event_new_tag (gst_tag_list_new (GST_TAG_LANGUAGE_CODE, language,
                NULL)));
    g_free (language);
  }
  gst_event_unref (event);
  return TRUE;
}

static void
refuse_caps (GstNpuDecoder * self, const GstCaps * caps, const gchar * digest)
{
  gchar *got = gst_caps_to_string (caps);

  if (self->width == 0)
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("Only encoder states can be decoded, but got %s; link npuencoder "
            "before this element.", got), (NULL));
  else
    GST_ELEMENT_ERROR (self, STREAM, WRONG_TYPE,
        ("The property \"model\" names %s (digest %s), but the states come "
            "from a model with digest %s; leave the property unset, or give "
            "npuencoder the same model.", npu_model_path (self->override),
            npu_model_digest (self->override), digest), ("caps %s", got));
  g_free (got);
}

static gboolean
accept_caps (GstNpuDecoder * self, GstEvent * event)
{
  const gchar *digest = NULL;
  GstCaps *caps;
  gboolean accepted;

  gst_event_parse_caps (event, &caps);
  self->width = 0;
  accepted = gst_npu_states_caps_parse (caps, &self->width, &digest)
      && (!self->override || !digest
      || g_strcmp0 (digest, npu_model_digest (self->override)) == 0);
  if (accepted) {
    self->refused = FALSE;
  } else {
    if (gst_npu_is_refused_anew (&self->refused))
      refuse_caps (self, caps, digest);
    self->width = 0;
  }
  gst_event_unref (event);
  return accepted;
}

static gboolean
forward_gap (GstNpuDecoder * self, GstEvent * event)
{
  GstClockTime start, duration;

  gst_event_parse_gap (event, &start, &duration);
  gst_event_unref (event);
  if (GST_CLOCK_TIME_IS_VALID (duration))
    start += duration;
  send_caps (self);
  send_gap_until (self, start);
  return TRUE;
}

static gboolean
take_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstNpuDecoder *self = GST_NPU_DECODER (parent);
  NpuModel *model;
  gboolean result;
  guint64 window;

  GST_LOG_OBJECT (self, "got %" GST_PTR_FORMAT, event);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      gst_npu_decoder_set_cancelled (self, TRUE);
      return gst_pad_push_event (self->srcpad, event);
    case GST_EVENT_FLUSH_STOP:
      result = gst_pad_push_event (self->srcpad, event);
      gst_npu_decoder_set_cancelled (self, FALSE);
      self->position = GST_CLOCK_TIME_NONE;
      self->next_sample = 0;
      self->refused = FALSE;
      return result;
    case GST_EVENT_STREAM_START:
      return start_stream (self, event);
    case GST_EVENT_CAPS:
      return accept_caps (self, event);
    case GST_EVENT_SEGMENT:
      return start_segment (self, event);
    case GST_EVENT_GAP:
      return forward_gap (self, event);
    case GST_EVENT_TAG:
      return forward_tags (self, event);
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
      model = gst_npu_event_parse_model (event);
      if (!model)
        return gst_pad_push_event (self->srcpad, event);
      /* the same weights as those of the property, if caps let us come here */
      result = load_model (self, model);
      gst_event_unref (event);
      return result;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      if (gst_npu_event_parse_window_sent (event, &window)) {
        miss_window (self, window);
        gst_event_unref (event);
        return TRUE;
      }
      return gst_pad_event_default (pad, parent, event);
    default:
      return gst_pad_event_default (pad, parent, event);
  }
}

GstFlowReturn
gst_npu_decoder_sink_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  GstEventType type = GST_EVENT_TYPE (event);

  return gst_npu_event_flow (GST_NPU_DECODER (parent)->srcpad, type,
      take_event (pad, parent, event));
}

gboolean
gst_npu_decoder_sink_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  if (gst_npu_query_is_driven (query)) {
    gst_npu_query_set_driven (query, TRUE);
    return TRUE;
  }
  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS) {
    /* what does not fit gets in, to be refused with a message */
    gst_query_set_accept_caps_result (query, TRUE);
    return TRUE;
  }
  return gst_pad_query_default (pad, parent, query);
}
