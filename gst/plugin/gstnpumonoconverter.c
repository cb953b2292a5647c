/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GstAudioConverter with a fixed output. Where the input already has that
 * form it is handed through without a copy.
 */
#include "gstnpumonoconverter.h"

#include "mel/mel.h"

#define BLOCKS_PER_SECOND 10

struct _GstNpuMonoConverter
{
  GstAudioInfo info;
  GstAudioConverter *converter; /* NULL where there is nothing to convert */
  gsize latency;                /* in samples of the input */
  gsize block;                  /* samples converted at once */
  gpointer *planes;

  gfloat *mono;                 /* output; zeros where converter is NULL */
  gsize mono_room;

  guint64 samples;
  guint64 mono_samples;
};

static gboolean
is_mono_already (const GstAudioInfo * info)
{
  return GST_AUDIO_INFO_FORMAT (info) == GST_AUDIO_FORMAT_F32
      && GST_AUDIO_INFO_RATE (info) == NPU_MEL_RATE
      && GST_AUDIO_INFO_CHANNELS (info) == 1;
}

/* The converter knows no mix of channels without positions: all alike. */
static void
set_even_mix (GstStructure * config, gint channels)
{
  GValue matrix = G_VALUE_INIT, row = G_VALUE_INIT, weight = G_VALUE_INIT;
  gint i;

  g_value_init (&matrix, GST_TYPE_ARRAY);
  g_value_init (&row, GST_TYPE_ARRAY);
  g_value_init (&weight, G_TYPE_FLOAT);
  g_value_set_float (&weight, 1.f / channels);
  for (i = 0; i < channels; i++)
    gst_value_array_append_value (&row, &weight);
  gst_value_array_append_value (&matrix, &row);
  gst_structure_set_value (config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX, &matrix);
  g_value_unset (&weight);
  g_value_unset (&row);
  g_value_unset (&matrix);
}

static GstAudioConverter *
make_converter (const GstAudioInfo * info)
{
  GstAudioInfo from = *info, to;
  GstStructure *config = gst_structure_new ("config",
      GST_AUDIO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_AUDIO_RESAMPLER_METHOD,
      GST_AUDIO_RESAMPLER_METHOD_KAISER, NULL);

  gst_audio_info_set_format (&to, GST_AUDIO_FORMAT_F32, NPU_MEL_RATE, 1, NULL);
  gst_audio_resampler_options_set_quality (GST_AUDIO_RESAMPLER_METHOD_KAISER,
      GST_AUDIO_RESAMPLER_QUALITY_DEFAULT, GST_AUDIO_INFO_RATE (info),
      NPU_MEL_RATE, config);
  if (GST_AUDIO_INFO_IS_UNPOSITIONED (info)
      && GST_AUDIO_INFO_CHANNELS (info) > 1)
    set_even_mix (config, GST_AUDIO_INFO_CHANNELS (info));
  return gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &from, &to,
      config);
}

GstNpuMonoConverter *
gst_npu_mono_converter_new (const GstAudioInfo * info)
{
  GstNpuMonoConverter *self = g_new0 (GstNpuMonoConverter, 1);

  self->info = *info;
  self->block = MAX (1, GST_AUDIO_INFO_RATE (info) / BLOCKS_PER_SECOND);
  self->mono_room = NPU_MEL_RATE / BLOCKS_PER_SECOND;
  if (!is_mono_already (info)) {
    self->converter = make_converter (info);
    if (!self->converter) {
      g_free (self);
      return NULL;
    }
    self->latency = gst_audio_converter_get_max_latency (self->converter);
    self->mono_room = gst_audio_converter_get_out_frames (self->converter,
        self->block + 3 * self->latency + 2);
  }
  self->planes = g_new0 (gpointer, GST_AUDIO_INFO_CHANNELS (info));
  self->mono = g_new0 (gfloat, self->mono_room);
  return self;
}

void
gst_npu_mono_converter_free (GstNpuMonoConverter * self)
{
  g_clear_pointer (&self->converter, gst_audio_converter_free);
  g_free (self->planes);
  g_free (self->mono);
  g_free (self);
}

static gsize
run_converter (GstNpuMonoConverter * self, gpointer * planes, gsize count)
{
  gsize mono_count =
      gst_audio_converter_get_out_frames (self->converter, count);
  gpointer output[1];

  /* never so far: the room made at the start covers a block and the tail */
  if (G_UNLIKELY (mono_count > self->mono_room)) {
    self->mono = g_renew (gfloat, self->mono, mono_count);
    self->mono_room = mono_count;
  }
  output[0] = self->mono;
  gst_audio_converter_samples (self->converter, GST_AUDIO_CONVERTER_FLAG_NONE,
      planes, count, output, mono_count);
  return mono_count;
}

const gfloat *
gst_npu_mono_converter_convert (GstNpuMonoConverter * self,
    const GstAudioBuffer * audio, gsize first, gsize * count,
    gsize * mono_count)
{
  const gfloat *mono = self->mono;
  gint stride, i;

  if (!self->converter) {
    if (audio)
      mono = (const gfloat *) audio->planes[0] + first;
    else
      *count = MIN (*count, self->mono_room);
    *mono_count = *count;
  } else {
    *count = MIN (*count, self->block);
    if (audio) {
      stride = audio->n_planes > 1 ? GST_AUDIO_INFO_BPS (&self->info) :
          GST_AUDIO_INFO_BPF (&self->info);
      for (i = 0; i < audio->n_planes; i++)
        self->planes[i] = (guint8 *) audio->planes[i] + first * stride;
    }
    *mono_count = run_converter (self, audio ? self->planes : NULL, *count);
    mono = self->mono;
  }
  self->samples += *count;
  self->mono_samples += *mono_count;
  return mono;
}

const gfloat *
gst_npu_mono_converter_drain (GstNpuMonoConverter * self, gsize * mono_count)
{
  guint64 wanted = gst_util_uint64_scale (self->samples, NPU_MEL_RATE,
      GST_AUDIO_INFO_RATE (&self->info));

  *mono_count = 0;
  if (wanted > self->mono_samples) {
    /* silence behind the end pushes out the tail */
    gsize came = run_converter (self, NULL, 2 * self->latency + 2);

    *mono_count = MIN (came, wanted - self->mono_samples);
  }
  gst_npu_mono_converter_reset (self);
  return self->mono;
}

void
gst_npu_mono_converter_reset (GstNpuMonoConverter * self)
{
  if (self->converter)
    gst_audio_converter_reset (self->converter);
  self->samples = self->mono_samples = 0;
}

GstClockTime
gst_npu_mono_converter_latency (const GstNpuMonoConverter * self)
{
  if (self->latency == 0)
    return 0;
  /* one sample more may wait for the next of the output */
  return gst_util_uint64_scale_ceil (self->latency + 1, GST_SECOND,
      GST_AUDIO_INFO_RATE (&self->info));
}

guint64
gst_npu_mono_converter_samples (const GstNpuMonoConverter * self)
{
  return self->samples;
}
