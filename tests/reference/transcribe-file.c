/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Long-form transcription with the core alone, without GStreamer: to judge the
 * decoder and to see what it decides in every window. Takes 16 kHz mono WAV
 * files of 16-bit samples.
 *
 *   transcribe-file [-d DEVICE] [-s SETTINGS] [-m MODEL]
 *       [-p float32|bf16|int8] [-w WINDOW] [-h HOP] [-l LANGUAGE] [-v]
 *       FILE...
 *
 * -w is the longest window in frames (10 ms), the model's context by default;
 * -h the hop in frames by which a window grows before it is full; by default
 * windows are decoded only when they are full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "decoder/decoder.h"
#include "encoder/encoder.h"
#include "mel/mel.h"
#include "pipeline/ring.h"
#include "pipeline/windows.h"

#define WAV_HEADER 44
#define SILENCE (-9.5f)         /* highest log-mel of digital silence */

typedef struct
{
  NpuModel *model;
  NpuEncoder *encoder;
  NpuDecoder *decoder;
  NpuFrameRing *ring;
  NpuWindows windows;
  uint32_t window;
  uint32_t hop;
  bool verbose;
  unsigned decoded;             /* windows */
} Session;

static void
fail (const NpuError * error)
{
  fprintf (stderr, "%s: %s\n", npu_status_name (error->status),
      error->message);
  exit (1);
}

static double
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static float *
read_wav (const char *path, size_t *count)
{
  FILE *file = fopen (path, "rb");
  float *samples;
  int16_t value;
  long size;

  if (!file || fseek (file, 0, SEEK_END) != 0) {
    perror (path);
    exit (1);
  }
  size = ftell (file);
  *count = size > WAV_HEADER ? (size_t) (size - WAV_HEADER) / 2 : 0;
  samples = calloc (*count + 1, sizeof (*samples));
  fseek (file, WAV_HEADER, SEEK_SET);
  for (size_t i = 0; i < *count && fread (&value, 2, 1, file) == 1; i++)
    samples[i] = value / 32768.0f;
  fclose (file);
  return samples;
}

static float *
make_frames (const char *path, uint32_t bands, uint64_t *count)
{
  NpuError error;
  NpuMel *mel;
  size_t samples, taken = 0, frames = 0;
  float *audio = read_wav (path, &samples);
  float *rows = calloc (samples / NPU_MEL_HOP + 1, bands * sizeof (*rows));

  if (npu_mel_create (bands, &mel, &error) != NPU_OK)
    fail (&error);
  while (taken < samples || npu_mel_ready (mel) > 0) {
    taken += npu_mel_push (mel, audio + taken, samples - taken);
    if (taken == samples)
      npu_mel_finish (mel);
    frames += npu_mel_pull (mel, rows + frames * bands,
        samples / NPU_MEL_HOP - frames);
  }
  npu_mel_free (mel);
  free (audio);
  *count = frames;
  return rows;
}

static void
print_window (const Session * session, const NpuWindow * window,
    const NpuTranscript * transcript)
{
  for (size_t i = 0; i < transcript->count; i++) {
    const NpuSegment *segment = &transcript->segments[i];

    printf ("[%8.2f -> %8.2f] %s", (double) window->first / 100 +
        segment->start * 0.02, (double) window->first / 100 +
        segment->end * 0.02, segment->text);
    printf (session->verbose ? "  (%.2f)\n" : "\n",
        (double) segment->log_probability);
  }
  if (session->verbose)
    printf ("  window %llu: %.2f + %.2f s%s, next +%.2f, %u tokens, mean %.2f, "
        "no speech %.2f%s%s, %s\n", (unsigned long long) window->id,
        (double) window->first / 100, window->frames / 100.0,
        window->final ? " final" : "", transcript->next * 0.02,
        transcript->tokens, (double) transcript->log_probability,
        (double) transcript->no_speech_probability,
        transcript->no_speech ? ", nothing" : "",
        transcript->looped ? ", looped" : "", transcript->language);
}

static void
run_window (Session * session, const NpuWindow * window)
{
  NpuError error = { NPU_OK, "" };
  NpuTranscript transcript;
  NpuEncoderWindow encoder_window = { .positions = 0 };
  NpuDecoderWindow decoder_window = { NULL };
  uint32_t slot;

  npu_ring_view (session->ring, window->first, window->frames,
      encoder_window.frames);
  encoder_window.positions = npu_encoder_positions (session->model,
      NPU_CONTEXT_AUTO, window->frames);
  if (npu_ring_upload (session->ring, window->first + window->frames,
          &error) != NPU_OK ||
      npu_model_wait (session->model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER,
          &error) != NPU_OK ||
      npu_encoder_run (session->encoder, &encoder_window, 1, &slot,
          &error) != NPU_OK)
    fail (&error);
  decoder_window.states = npu_encoder_states (session->encoder, slot, 0);
  decoder_window.positions = encoder_window.positions;
  decoder_window.valid = (window->frames + 1) / 2;
  decoder_window.silent = npu_ring_peak (session->ring, window->first,
      window->frames) <= SILENCE;
  decoder_window.final = window->final;
  decoder_window.full = window->final ||
      window->frames == session->windows.window;
  if (npu_decoder_decode (session->decoder, &decoder_window, &transcript,
          &error) != NPU_OK)
    fail (&error);
  npu_encoder_close (session->encoder, slot);
  print_window (session, window, &transcript);
  session->decoded++;
  npu_windows_answer (&session->windows, window->id,
      window->first + 2 * (uint64_t) transcript.next);
  npu_ring_trim (session->ring, npu_windows_first_needed (&session->windows));
}

static void
transcribe (Session * session, const char *path)
{
  const NpuModelConfig *config = npu_model_config (session->model);
  uint32_t longest = 2 * config->audio_context;
  uint32_t length = session->window && session->window < longest ?
      session->window : longest;
  NpuWindow window;
  uint64_t count;
  float *frames = make_frames (path, config->bands, &count);
  double start = now ();

  npu_windows_init (&session->windows, length,
      session->hop ? session->hop : length, true);
  npu_ring_reset (session->ring, 0);
  npu_decoder_reset (session->decoder);
  session->decoded = 0;
  for (;;) {
    uint64_t newest = npu_ring_newest (session->ring);

    npu_ring_push (session->ring, frames + newest * config->bands,
        (uint32_t) (count - newest < length ? count - newest : length));
    newest = npu_ring_newest (session->ring);
    if (!npu_windows_next (&session->windows, newest, newest == count,
            &window))
      break;
    run_window (session, &window);
  }
  fprintf (stderr, "%s: %.1f s of audio, %u windows, %.2f s\n", path,
      (double) count / 100, session->decoded, now () - start);
  free (frames);
}

static NpuPrecision
parse_precision (const char *name)
{
  return !strcmp (name, "float32") ? NPU_PRECISION_FLOAT32 :
      !strcmp (name, "bf16") ? NPU_PRECISION_BF16 :
      !strcmp (name, "int8") ? NPU_PRECISION_INT8 : NPU_PRECISION_AUTO;
}

int
main (int argc, char **argv)
{
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuPrecision precision = NPU_PRECISION_AUTO;
  const char *path = NULL, *name = "cpu";
  NpuDeviceOptions device_options = { 0 };
  Session session = { NULL };
  NpuDevice *device;
  NpuError error;
  int option;

  while ((option = getopt (argc, argv, "d:s:m:p:w:h:l:v")) != -1) {
    if (option == 'd')
      name = optarg;
    else if (option == 's')
      device_options.settings = optarg;
    else if (option == 'm')
      path = optarg;
    else if (option == 'p')
      precision = parse_precision (optarg);
    else if (option == 'w')
      session.window = (uint32_t) atoi (optarg);
    else if (option == 'h')
      session.hop = (uint32_t) atoi (optarg);
    else if (option == 'l')
      options.language = optarg;
    else
      session.verbose = true;
  }
  if (npu_device_open (name, &device_options, &device, &error) != NPU_OK ||
      npu_model_open (path, device, precision, &session.model,
          &error) != NPU_OK ||
      npu_encoder_create (session.model, NULL, &session.encoder,
          &error) != NPU_OK ||
      npu_decoder_create (session.model, &options, &session.decoder,
          &error) != NPU_OK ||
      npu_ring_create (device, npu_model_config (session.model)->bands,
          4 * npu_model_config (session.model)->audio_context, &session.ring,
          &error) != NPU_OK)
    fail (&error);
  for (int i = optind; i < argc; i++)
    transcribe (&session, argv[i]);
  npu_ring_unref (session.ring);
  npu_decoder_free (session.decoder);
  npu_encoder_free (session.encoder);
  npu_model_unref (session.model);
  npu_device_unref (device);
  return 0;
}
