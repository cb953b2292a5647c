/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npumel without its time (npumel-time.c): caps, formats, memory, latency,
 * properties, states, and what it says of bad audio.
 */
#include "npumel-fixture.h"

#include <math.h>
#include <string.h>

#include "gst/plugin/gstnpucaps.h"
#include "mel/mel.h"

/* --- caps --- */

static void
assert_bands (GstHarness * h, guint wanted)
{
  GstCaps *caps = gst_pad_get_current_caps (h->sinkpad);
  guint bands = 0;

  fail_unless (caps != NULL);
  fail_unless (gst_npu_mel_caps_get_bands (caps, &bands));
  fail_unless_equals_int (bands, wanted);
  gst_caps_unref (caps);
}

GST_START_TEST (bands_are_those_that_downstream_takes)
{
  static const struct
  {
    const gchar *caps;
    guint bands;
  } cases[] = {
    {"ANY", 80},
    {GST_NPU_MEL_CAPS, 80},
    {GST_NPU_MEL_CAPS_OF ("128") ";" GST_NPU_MEL_CAPS_OF ("80"), 80},
    {GST_NPU_MEL_CAPS_OF ("128"), 128},
    {"tensor/strided, dims=(int)<0,128>", 128},
  };
  GstHarness *h = mel_harness (NULL);
  GstBuffer *buffer;

  gst_harness_set_sink_caps_str (h, cases[__i__].caps);
  gst_harness_set_src_caps_str (h, MONO_16K);
  push_noise (h, 0, GST_SECOND, 0);
  assert_bands (h, cases[__i__].bands);
  buffer = gst_harness_pull (h);
  fail_unless_equals_int (gst_buffer_get_size (buffer),
      10 * cases[__i__].bands * sizeof (gfloat));
  gst_buffer_unref (buffer);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (caps_that_are_not_frames_are_refused)
{
  GstHarness *h = mel_harness (NULL);
  gfloat sample = 0;

  gst_harness_set_sink_caps_str (h,
      "tensor/strided, tensor-id=(string)log-mel, dims=(int)<0,40>");
  gst_harness_set_src_caps_str (h, MONO_16K);
  fail_unless_equals_int (push_floats (h, &sample, 1, 0, 0),
      GST_FLOW_NOT_NEGOTIATED);
  push_floats (h, &sample, 1, 0, 0);
  assert_message (h, GST_MESSAGE_ERROR, "link npuencoder behind it");
  assert_no_message (h);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (caps_that_are_not_audio_are_refused)
{
  static const gchar *const wrong[] = {
    "audio/x-raw, format=S16LE, rate=16000, layout=interleaved",
    "audio/x-raw, format=S16LE, rate=10, channels=1, layout=interleaved",
    "audio/x-raw, format=S16LE, rate=2147483647, channels=1, "
        "layout=interleaved",
    "audio/x-raw, format=S16LE, rate=16000, channels=64, "
        "channel-mask=(bitmask)0, layout=interleaved",
    "audio/x-raw, format=S16LE, rate=16000, channels=100000, "
        "channel-mask=(bitmask)0, layout=interleaved",
    "audio/x-raw, format=ENCODED, rate=16000, channels=1, layout=interleaved",
    "audio/mpeg",
  };
  GstHarness *h = mel_harness (NULL);
  gfloat sample = 0;

  gst_harness_set_src_caps_str (h, wrong[__i__]);
  fail_unless_equals_int (push_floats (h, &sample, 1, 0, 0),
      GST_FLOW_NOT_NEGOTIATED);
  push_floats (h, &sample, 1, 0, 0);
  assert_message (h, GST_MESSAGE_ERROR, "put decodebin in front of npumel");
  assert_no_message (h);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (mono_float_of_16_khz_is_preferred)
{
  GstHarness *h = mel_harness (NULL);
  GstCaps *filter = gst_caps_from_string ("audio/x-raw, format={ S16LE, F32LE"
      ", S16BE, F32BE }, rate=[ 8000, 48000 ], channels=[ 1, 2 ]");
  GstCaps *caps = gst_pad_peer_query_caps (h->srcpad, filter);
  GstCaps *wanted = gst_caps_from_string (MONO_16K);

  caps = gst_caps_fixate (caps);
  fail_unless (gst_caps_is_equal (caps, wanted), "%s",
      gst_caps_to_string (caps));
  gst_caps_unref (caps);
  gst_caps_unref (wanted);
  gst_caps_unref (filter);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (bands_may_change_in_the_stream)
{
  GstHarness *h = mel_harness (MONO_16K);
  GstBuffer *buffer;
  gsize bytes = 0;

  push_noise (h, 0, GST_SECOND, 0);
  assert_bands (h, 80);
  gst_harness_set_sink_caps_str (h, GST_NPU_MEL_CAPS_OF ("128"));
  gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
  push_noise (h, GST_SECOND, GST_SECOND, 0);
  assert_bands (h, 128);
  gst_harness_push_event (h, gst_event_new_eos ());
  while ((buffer = gst_harness_try_pull (h))) {
    bytes += gst_buffer_get_size (buffer);
    gst_buffer_unref (buffer);
  }
  /* nothing of either half is lost */
  fail_unless_equals_int (bytes, 100 * (80 + 128) * sizeof (gfloat));
  mel_harness_free (h);
}

GST_END_TEST;

/* --- formats --- */

/* A tone whose loudness and pitch vary, below 3 kHz. */
static gdouble
tone (gdouble seconds)
{
  return 0.3 * (1 + 0.8 * sin (2 * G_PI * 3 * seconds))
      * sin (2 * G_PI * 900 * seconds + 100 * sin (2 * G_PI * 2 * seconds));
}

/* Buffer of the audio described by @info: the tone, alike on all channels. */
static GstBuffer *
tone_buffer (GstAudioInfo * info, gsize count)
{
  GstAudioInfo from;
  GstAudioConverter *converter;
  gint channels = GST_AUDIO_INFO_CHANNELS (info), channel;
  gsize bytes = count * GST_AUDIO_INFO_BPF (info), i;
  gdouble *samples = g_new (gdouble, count * channels);
  guint8 *data = g_malloc0 (bytes);
  gpointer in[1] = { samples };
  gpointer out[64];

  gst_audio_info_set_format (&from, GST_AUDIO_FORMAT_F64,
      GST_AUDIO_INFO_RATE (info), channels, info->position);
  from.flags = info->flags;
  for (i = 0; i < count; i++)
    for (channel = 0; channel < channels; channel++)
      samples[i * channels + channel] =
          tone ((gdouble) i / GST_AUDIO_INFO_RATE (info));
  for (channel = 0; channel < channels; channel++)
    out[channel] = data + channel * count * GST_AUDIO_INFO_BPS (info);
  converter = gst_audio_converter_new (0, &from, info, NULL);
  fail_unless (converter != NULL);
  fail_unless (gst_audio_converter_samples (converter, 0, in, count, out,
          count));
  gst_audio_converter_free (converter);
  g_free (samples);
  return gst_buffer_new_wrapped (data, bytes);
}

/* Frames of the tone sent in pieces with @caps, compared with those of the
 * tone computed for 16 kHz. */
static void
assert_frames_of_tone (const gchar * format, gdouble bound)
{
  GstHarness *h = mel_harness (NULL);
  GstCaps *caps = gst_caps_from_string (format);
  GstAudioInfo info;
  Frames frames = { NULL, };
  gfloat samples[24000], *expected;
  gsize i, count, wanted;
  gdouble difference;

  fail_unless (gst_audio_info_from_caps (&info, caps), "%s", format);
  gst_harness_set_src_caps (h, caps);
  count = GST_AUDIO_INFO_RATE (&info) * 3 / 2;
  fail_unless_equals_int (gst_harness_push (h, tone_buffer (&info, count)),
      GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_eos ());
  collect (h, &frames);

  for (i = 0; i < 24000; i++)
    samples[i] = tone (i / 16000.);
  expected = core_frames (samples, 24000, &wanted);
  fail_unless_equals_int (frames.frames, count * 100
      / GST_AUDIO_INFO_RATE (&info));
  difference = mean_difference ((gfloat *) frames.values->data, expected,
      MIN (frames.frames, wanted) * BANDS);
  fail_unless (difference <= bound, "%s: differs by %g", format, difference);
  g_free (expected);
  frames_clear (&frames);
  mel_harness_free (h);
}

/* The bounds: rounding to so many bits, and what the resampler's filter lets
 * through or cuts off. */
static const struct
{
  const gchar *caps;
  gdouble bound;
} formats[] = {
  {"format=F32LE, rate=16000, channels=1, layout=interleaved", 1e-9},
  {"format=F32BE, rate=16000, channels=1, layout=interleaved", 1e-9},
  {"format=F64LE, rate=16000, channels=1, layout=interleaved", 1e-9},
  {"format=F32LE, rate=16000, channels=1, layout=non-interleaved", 1e-9},
  {"format=S16LE, rate=16000, channels=1, layout=interleaved", 5e-4},
  {"format=S24LE, rate=16000, channels=1, layout=interleaved", 1e-5},
  {"format=S24_32BE, rate=16000, channels=1, layout=interleaved", 1e-5},
  {"format=S32LE, rate=16000, channels=1, layout=interleaved", 1e-5},
  {"format=U8, rate=16000, channels=1, layout=interleaved", 0.4},
  {"format=F32LE, rate=16000, channels=2, channel-mask=(bitmask)3, "
        "layout=interleaved", 1e-5},
  {"format=F32LE, rate=16000, channels=2, channel-mask=(bitmask)3, "
        "layout=non-interleaved", 1e-5},
  {"format=S16LE, rate=48000, channels=2, channel-mask=(bitmask)3, "
        "layout=interleaved", 2e-3},
  {"format=S16LE, rate=48000, channels=2, channel-mask=(bitmask)3, "
        "layout=non-interleaved", 2e-3},
  {"format=F32LE, rate=48000, channels=6, channel-mask=(bitmask)0, "
        "layout=interleaved", 2e-3},
  {"format=F32LE, rate=48000, channels=6, channel-mask=(bitmask)0, "
        "layout=non-interleaved", 2e-3},
  {"format=F32LE, rate=16000, channels=11, channel-mask=(bitmask)0, "
        "layout=non-interleaved", 1e-5},
  {"format=F32LE, rate=48000, channels=6, channel-mask=(bitmask)0x3f, "
        "layout=interleaved", 2e-3},
  {"format=F32LE, rate=8000, channels=1, layout=interleaved", 2e-3},
  {"format=F32LE, rate=11025, channels=1, layout=interleaved", 2e-3},
  {"format=F32LE, rate=44100, channels=1, layout=interleaved", 2e-3},
  {"format=F32LE, rate=44100, channels=2, channel-mask=(bitmask)0, "
        "layout=interleaved", 2e-3},
  {"format=F32LE, rate=96000, channels=1, layout=interleaved", 2e-3},
  {"format=F32LE, rate=192000, channels=1, layout=interleaved", 2e-3},
};

GST_START_TEST (any_format_gives_the_frames_of_its_sound)
{
  gchar *caps = g_strconcat ("audio/x-raw, ", formats[__i__].caps, NULL);

  assert_frames_of_tone (caps, formats[__i__].bound);
  g_free (caps);
}

GST_END_TEST;

/* N samples of rate R give N * 16000 / R / 160 frames. */
GST_START_TEST (no_rate_loses_the_end)
{
  static const gint rates[] = {
    1000, 7999, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 768000, 1536000
  };
  gchar *caps = g_strdup_printf ("audio/x-raw, format=" GST_AUDIO_NE (F32)
      ", rate=%d, channels=1, layout=interleaved", rates[__i__]);
  guint round;

  for (round = 0; round < 5; round++) {
    GstHarness *h = mel_harness (caps);
    gsize count = random_below (rates[__i__]), done = 0;
    gfloat *samples = noise (count);

    while (done < count) {
      gsize piece = 1 + random_below (5000);

      piece = MIN (piece, count - done);

      push_floats (h, samples + done, piece, GST_CLOCK_TIME_NONE, 0);
      done += piece;
    }
    gst_harness_push_event (h, gst_event_new_eos ());
    fail_unless_equals_uint64 (statistic (h, "frames"),
        (guint64) count * 16000 / rates[__i__] / 160);
    g_free (samples);
    mel_harness_free (h);
  }
  g_free (caps);
}

GST_END_TEST;

GST_START_TEST (a_stretch_goes_on_behind_another_format)
{
  GstHarness *h = mel_harness (MONO_16K);
  gint16 *stereo = g_new0 (gint16, 48000 * 2);
  Frames frames = { NULL, };

  push_noise (h, 0, GST_SECOND, 0);
  gst_harness_set_src_caps_str (h, "audio/x-raw, format=" GST_AUDIO_NE (S16)
      ", rate=48000, channels=2, channel-mask=(bitmask)3, layout=interleaved");
  fail_unless_equals_int (push_bytes (h, stereo, 48000 * 4, GST_SECOND),
      GST_FLOW_OK);
  gst_harness_set_src_caps_str (h, MONO_16K);
  push_noise (h, 2 * GST_SECOND, GST_SECOND, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  collect (h, &frames);
  fail_unless_equals_int (frames.frames, 300);
  fail_unless_equals_int (frames.disconts, 1);
  fail_unless_equals_uint64 (statistic (h, "silent-samples"), 0);
  frames_clear (&frames);
  g_free (stereo);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (half_samples_are_left_out_and_told_once)
{
  GstHarness *h = mel_harness (MONO_16K);
  guint8 *bytes = g_malloc0 (1603 * 4);

  fail_unless_equals_int (push_bytes (h, bytes, 1600 * 4 + 3, 0), GST_FLOW_OK);
  fail_unless_equals_int (push_bytes (h, bytes, 3, 100 * GST_MSECOND),
      GST_FLOW_OK);
  fail_unless_equals_int (push_bytes (h, bytes, 1600 * 4, 100 * GST_MSECOND),
      GST_FLOW_OK);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_uint64 (statistic (h, "frames"), 20);
  assert_message (h, GST_MESSAGE_WARNING, "put rawaudioparse in front");
  assert_no_message (h);
  g_free (bytes);
  mel_harness_free (h);
}

GST_END_TEST;

/* --- samples that are no numbers --- */

GST_START_TEST (nan_is_heard_as_silence_and_told_once)
{
  GstHarness *h = mel_harness (MONO_16K);
  gfloat *samples = noise (48000);
  Frames frames = { NULL, };
  gsize i;

  samples[100] = NAN;
  samples[200] = INFINITY;
  samples[40000] = -INFINITY;
  for (i = 0; i < 48000; i += 16000)
    push_floats (h, samples + i, 16000, i / 16 * GST_MSECOND, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_message (h, GST_MESSAGE_WARNING, "2 of 32000 samples");
  assert_no_message (h);
  fail_unless_equals_uint64 (statistic (h, "unusable-samples"), 3);

  samples[100] = samples[200] = samples[40000] = 0;
  collect (h, &frames);
  assert_same_bits (&frames, samples, 48000);
  frames_clear (&frames);
  g_free (samples);
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (a_single_nan_is_told_at_the_end)
{
  GstHarness *h = mel_harness (MONO_16K);
  gfloat samples[1600] = { 0 };

  samples[1599] = NAN;
  push_floats (h, samples, 1600, 0, 0);
  assert_no_message (h);
  gst_harness_push_event (h, gst_event_new_eos ());
  assert_message (h, GST_MESSAGE_WARNING, "1 of 1600 samples");
  mel_harness_free (h);
}

GST_END_TEST;

/* --- latency --- */

/* Plays a source of 20 ms with 70 ms of its own memory. */
static GstPadProbeReturn
answer_as_source (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency (query, TRUE, 20 * GST_MSECOND, 70 * GST_MSECOND);
  return GST_PAD_PROBE_HANDLED;
}

static void
assert_latency (GstHarness * h, GstClockTime wanted)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime min, max;

  fail_unless (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_latency (query, NULL, &min, &max);
  fail_unless_equals_uint64 (min, 20 * GST_MSECOND + wanted);
  fail_unless_equals_uint64 (max, 70 * GST_MSECOND + wanted);
  gst_query_unref (query);
}

GST_START_TEST (latency_is_what_is_waited_for)
{
  const GstClockTime look_ahead = 12500 * GST_USECOND;
  GstHarness *h = mel_harness (NULL);
  GstMessage *message;
  GstBus *bus;

  gst_pad_add_probe (h->srcpad, GST_PAD_PROBE_TYPE_QUERY_UPSTREAM,
      answer_as_source, NULL, NULL);
  /* 10 frames, the last of which begins 90 ms behind the first */
  assert_latency (h, 90 * GST_MSECOND + look_ahead);
  g_object_set (h->element, "frames-per-buffer", 1, NULL);
  assert_latency (h, look_ahead);
  gst_harness_set_src_caps_str (h, MONO_16K);
  assert_latency (h, look_ahead);

  bus = gst_element_get_bus (h->element);
  gst_bus_set_flushing (bus, TRUE);
  gst_bus_set_flushing (bus, FALSE);
  gst_harness_set_src_caps_str (h, "audio/x-raw, format=" GST_AUDIO_NE (F32)
      ", rate=48000, channels=1, layout=interleaved");
  /* 2 ms in the resampler, and a sample that waits for the next of 16 kHz */
  assert_latency (h, look_ahead + gst_util_uint64_scale_ceil (97, GST_SECOND,
          48000));
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_LATENCY);
  fail_unless (message != NULL);
  gst_message_unref (message);
  gst_object_unref (bus);
  mel_harness_free (h);
}

GST_END_TEST;

/* --- memory --- */

/* A pool that counts the buffers it makes. */
typedef struct
{
  GstBufferPool pool;
  gint made;
} CountingPool;

typedef GstBufferPoolClass CountingPoolClass;

GType counting_pool_get_type (void);
G_DEFINE_TYPE (CountingPool, counting_pool, GST_TYPE_BUFFER_POOL);

static GstFlowReturn
counting_pool_alloc (GstBufferPool * pool, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  g_atomic_int_inc (&((CountingPool *) pool)->made);
  return GST_BUFFER_POOL_CLASS (counting_pool_parent_class)->alloc_buffer (pool,
      buffer, params);
}

static void
counting_pool_class_init (CountingPoolClass * klass)
{
  klass->alloc_buffer = counting_pool_alloc;
}

static void
counting_pool_init (CountingPool * self)
{
}

typedef struct
{
  GstBufferPool *pool;
  guint size, min, max;
} Proposal;

static GstPadProbeReturn
propose (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  Proposal *proposal = user_data;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_add_allocation_pool (query, proposal->pool, proposal->size,
      proposal->min, proposal->max);
  return GST_PAD_PROBE_HANDLED;
}

/* A harness whose sink proposes @proposal. */
static GstHarness *
proposing_harness (Proposal * proposal)
{
  GstHarness *h = mel_harness (NULL);

  gst_pad_add_probe (h->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, propose,
      proposal, NULL);
  gst_harness_set_src_caps_str (h, MONO_16K);
  return h;
}

GST_START_TEST (the_proposed_pool_is_used)
{
  CountingPool *pool = g_object_new (counting_pool_get_type (), NULL);
  Proposal proposal = { &pool->pool, 100, 2, 0 };
  GstHarness *h = proposing_harness (&proposal);
  guint i;

  for (i = 0; i < 20; i++) {
    GstBuffer *buffer;

    push_noise (h, i * 100 * GST_MSECOND, 100 * GST_MSECOND, 0);
    while ((buffer = gst_harness_try_pull (h))) {
      fail_unless (buffer->pool == &pool->pool);
      fail_unless_equals_int (gst_buffer_get_size (buffer), 10 * BANDS * 4);
      gst_buffer_unref (buffer);
    }
  }
  fail_unless_equals_int (pool->made, 2);
  fail_unless_equals_uint64 (statistic (h, "pool-misses"), 0);
  mel_harness_free (h);
  gst_object_unref (pool);
}

GST_END_TEST;

GST_START_TEST (a_full_pool_does_not_block_and_is_counted)
{
  CountingPool *pool = g_object_new (counting_pool_get_type (), NULL);
  Proposal proposal = { &pool->pool, 3200, 2, 3 };
  GstHarness *h = proposing_harness (&proposal);
  Frames frames = { NULL, };
  gfloat *samples = noise (16000);

  /* nothing is given back while they are pushed */
  push_floats (h, samples, 16000, 0, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_int (gst_harness_buffers_received (h), 10);
  fail_unless_equals_int (pool->made, 3);
  fail_unless_equals_uint64 (statistic (h, "pool-misses"), 7);
  collect (h, &frames);
  assert_same_bits (&frames, samples, 16000);
  frames_clear (&frames);
  g_free (samples);
  mel_harness_free (h);
  gst_object_unref (pool);
}

GST_END_TEST;

GST_START_TEST (a_pool_that_is_switched_off_is_done_without)
{
  CountingPool *pool = g_object_new (counting_pool_get_type (), NULL);
  Proposal proposal = { &pool->pool, 3200, 2, 0 };
  GstHarness *h = proposing_harness (&proposal);

  push_noise (h, 0, GST_SECOND, 0);
  gst_buffer_pool_set_flushing (&pool->pool, TRUE);
  push_noise (h, GST_SECOND, GST_SECOND, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  fail_unless_equals_uint64 (statistic (h, "frames"), 200);
  mel_harness_free (h);
  gst_object_unref (pool);
}

GST_END_TEST;

GST_START_TEST (the_steady_state_makes_no_memory)
{
  GstHarness *h = mel_harness (MONO_16K);
  GHashTable *memories = g_hash_table_new (NULL, NULL);
  guint i;

  for (i = 0; i < 100; i++) {
    GstBuffer *buffer;

    push_noise (h, i * 100 * GST_MSECOND, 100 * GST_MSECOND, 0);
    while ((buffer = gst_harness_try_pull (h))) {
      g_hash_table_add (memories, gst_buffer_peek_memory (buffer, 0));
      gst_buffer_unref (buffer);
    }
  }
  /* one downstream, one being written */
  fail_unless (g_hash_table_size (memories) <= 2);
  g_hash_table_unref (memories);
  mel_harness_free (h);
}

GST_END_TEST;

/* --- element --- */

GST_START_TEST (properties_have_their_limits_and_defaults)
{
  GstElement *element = gst_element_factory_make ("npumel", NULL);
  GParamSpecUInt *spec = G_PARAM_SPEC_UINT (g_object_class_find_property
      (G_OBJECT_GET_CLASS (element), "frames-per-buffer"));
  guint64 max_gap, threshold, wait;

  fail_unless_equals_int (spec->minimum, 1);
  fail_unless_equals_int (spec->maximum, 3000);
  fail_unless_equals_int (spec->default_value, 10);
  g_object_get (element, "max-gap", &max_gap, "alignment-threshold", &threshold,
      "discont-wait", &wait, NULL);
  fail_unless_equals_uint64 (max_gap, GST_CLOCK_TIME_NONE);
  fail_unless_equals_uint64 (threshold, 40 * GST_MSECOND);
  fail_unless_equals_uint64 (wait, GST_SECOND);
  gst_object_unref (element);
}

GST_END_TEST;

GST_START_TEST (buffers_hold_the_frames_asked_for)
{
  static const guint sizes[] = { 1, 7, 100, 3000 };
  GstHarness *h = mel_harness (NULL);
  guint size = sizes[__i__], frames = 0, i;

  g_object_set (h->element, "frames-per-buffer", size, NULL);
  gst_harness_set_src_caps_str (h, MONO_16K);
  for (i = 0; i < 31; i++)
    push_noise (h, i * GST_SECOND, GST_SECOND, 0);
  gst_harness_push_event (h, gst_event_new_eos ());
  while (frames < 3100) {
    GstBuffer *buffer = gst_harness_pull (h);
    guint wanted = MIN (size, 3100 - frames);

    fail_unless_equals_int (gst_buffer_get_size (buffer), wanted * BANDS * 4);
    frames += wanted;
    gst_buffer_unref (buffer);
  }
  mel_harness_free (h);
}

GST_END_TEST;

GST_START_TEST (states_can_be_gone_through_again_and_again)
{
  GstElement *pipeline = gst_parse_launch ("audiotestsrc num-buffers=10 "
      "samplesperbuffer=4410 ! audio/x-raw,rate=44100 ! npumel name=mel ! "
      "fakesink", NULL);
  GstElement *mel = gst_bin_get_by_name (GST_BIN (pipeline), "mel");
  GstBus *bus = gst_element_get_bus (pipeline);
  guint round;

  for (round = 0; round < 5; round++) {
    GstStructure *stats = NULL;
    GstMessage *message;
    guint64 frames = 0;

    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    message = gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND,
        GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
    gst_message_unref (message);
    g_object_get (mel, "stats", &stats, NULL);
    gst_structure_get_uint64 (stats, "frames", &frames);
    fail_unless_equals_uint64 (frames, 100);
    gst_structure_free (stats);
    gst_element_set_state (pipeline, round % 2 ? GST_STATE_READY :
        GST_STATE_NULL);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (mel);
  gst_object_unref (pipeline);
}

GST_END_TEST;

GST_START_TEST (stopping_in_mid_stream_leaks_nothing)
{
  GstHarness *h = mel_harness (MONO_16K);

  /* a buffer partly written */
  push_noise (h, 0, 155 * GST_MSECOND, 0);
  fail_unless_equals_int (gst_element_set_state (h->element, GST_STATE_NULL),
      GST_STATE_CHANGE_SUCCESS);
  mel_harness_free (h);
}

GST_END_TEST;

static GstFlowReturn
refuse (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_EOS;
}

GST_START_TEST (what_downstream_returns_goes_upstream)
{
  GstHarness *h = mel_harness (MONO_16K);
  gfloat *samples = noise (16000);

  gst_pad_set_chain_function (h->sinkpad, refuse);
  fail_unless_equals_int (push_floats (h, samples, 16000, 0, 0), GST_FLOW_EOS);
  g_free (samples);
  mel_harness_free (h);
}

GST_END_TEST;

static Suite *
npumel_suite (void)
{
  Suite *suite = suite_create ("npumel");
  TCase *tests = tcase_create ("general");

  suite_add_tcase (suite, tests);
  tcase_add_loop_test (tests, bands_are_those_that_downstream_takes, 0, 5);
  tcase_add_test (tests, caps_that_are_not_frames_are_refused);
  tcase_add_loop_test (tests, caps_that_are_not_audio_are_refused, 0, 7);
  tcase_add_test (tests, mono_float_of_16_khz_is_preferred);
  tcase_add_test (tests, bands_may_change_in_the_stream);
  tcase_add_loop_test (tests, any_format_gives_the_frames_of_its_sound, 0,
      G_N_ELEMENTS (formats));
  tcase_add_loop_test (tests, no_rate_loses_the_end, 0, 11);
  tcase_add_test (tests, a_stretch_goes_on_behind_another_format);
  tcase_add_test (tests, half_samples_are_left_out_and_told_once);
  tcase_add_test (tests, nan_is_heard_as_silence_and_told_once);
  tcase_add_test (tests, a_single_nan_is_told_at_the_end);
  tcase_add_test (tests, latency_is_what_is_waited_for);
  tcase_add_test (tests, the_proposed_pool_is_used);
  tcase_add_test (tests, a_full_pool_does_not_block_and_is_counted);
  tcase_add_test (tests, a_pool_that_is_switched_off_is_done_without);
  tcase_add_test (tests, the_steady_state_makes_no_memory);
  tcase_add_test (tests, properties_have_their_limits_and_defaults);
  tcase_add_loop_test (tests, buffers_hold_the_frames_asked_for, 0, 4);
  tcase_add_test (tests, states_can_be_gone_through_again_and_again);
  tcase_add_test (tests, stopping_in_mid_stream_leaks_nothing);
  tcase_add_test (tests, what_downstream_returns_goes_upstream);
  return suite;
}

GST_CHECK_MAIN (npumel);
