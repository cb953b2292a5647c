/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs encoder and decoder of libnpu-core on files of float32 values, for
 * comparison with reference.py. Jobs come on standard input, one a line:
 *
 *   run-model MODEL PRECISION
 *     encode MEL FRAMES POSITIONS OUT    raw log-mel rows to states
 *     logits STATES POSITIONS TOKENS COUNT OUT   a row for each int32 token
 *     prompt STATES POSITIONS TOKENS COUNT OUT   all at once: the last row
 *     decode STATES POSITIONS VALID FULL FINAL NO_SPEECH UNLIKELY OUT
 *         a window by a new decoder with these thresholds: what it decided in
 *         one line, then a line for each segment
 *
 * The instruction set is that of the environment variable NPU_CPU_ISA.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder/decoder.h"
#include "decoder/text-pass.h"
#include "encoder/encoder.h"
#include "pipeline/ring.h"

#define PATH_LENGTH 1024

typedef struct
{
  NpuModel *model;
  NpuEncoder *encoder;
  NpuDecoder *decoder;
  NpuFrameRing *ring;
} Runner;

static void
fail (const NpuError * error)
{
  fprintf (stderr, "%s: %s\n", npu_status_name (error->status),
      error->message);
  exit (1);
}

static void *
read_values (const char *path, size_t count, size_t size)
{
  FILE *file = fopen (path, "rb");
  void *values = malloc (count * size + 1);

  if (!file || fread (values, size, count, file) != count) {
    perror (path);
    exit (1);
  }
  fclose (file);
  return values;
}

static void
write_values (const char *path, const float *values, size_t count)
{
  FILE *file = fopen (path, "wb");

  if (!file || fwrite (values, sizeof (*values), count, file) != count ||
      fclose (file) != 0) {
    perror (path);
    exit (1);
  }
}

/* The frames lie so that the ring wraps inside them. */
static void
encode (Runner * runner, const char *path, uint32_t count, uint32_t positions,
    const char *out)
{
  const NpuModelConfig *config = npu_model_config (runner->model);
  uint32_t capacity = 2 * config->audio_context;
  uint64_t first = (uint64_t) capacity * 3 - count / 3;
  float *frames = read_values (path, (size_t) count * config->bands,
      sizeof (float));
  NpuEncoderWindow window = { .positions = positions };
  NpuError error;
  uint32_t slot;

  npu_ring_reset (runner->ring, first);
  npu_ring_push (runner->ring, frames, count);
  if (npu_ring_view (runner->ring, first, count, window.frames) != NPU_OK) {
    fprintf (stderr, "%u frames do not fit\n", count);
    exit (1);
  }
  if (npu_ring_upload (runner->ring, first + count, &error) != NPU_OK ||
      npu_model_wait (runner->model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER,
          &error) != NPU_OK ||
      npu_encoder_run (runner->encoder, &window, 1, &slot, &error) != NPU_OK)
    fail (&error);
  write_values (out, npu_encoder_states (runner->encoder, slot, 0),
      (size_t) positions * config->audio_width);
  npu_encoder_close (runner->encoder, slot);
  free (frames);
}

static void
compute_logits (Runner * runner, const char *const *paths, uint32_t positions,
    uint32_t count)
{
  const NpuModelConfig *config = npu_model_config (runner->model);
  float *states = read_values (paths[0],
      (size_t) positions * config->audio_width, sizeof (float));
  int32_t *tokens = read_values (paths[1], count, sizeof (int32_t));
  float *logits = malloc ((size_t) count * config->vocabulary *
      sizeof (float));
  const NpuDecoderWindow window = {
    .states = states,.positions = positions,.valid = positions
  };
  NpuError error;

  if (npu_decoder_logits (runner->decoder, &window, tokens, count, logits,
          &error) != NPU_OK)
    fail (&error);
  write_values (paths[2], logits, (size_t) count * config->vocabulary);
  free (states);
  free (tokens);
  free (logits);
}

static void
run_prompt (Runner * runner, const char *const *paths, uint32_t positions,
    uint32_t count)
{
  const NpuModelConfig *config = npu_model_config (runner->model);
  float *states = read_values (paths[0],
      (size_t) positions * config->audio_width, sizeof (float));
  int32_t *tokens = read_values (paths[1], count, sizeof (int32_t));
  float *logits = malloc (config->vocabulary * sizeof (float));
  NpuVocabularyResult result;
  const NpuTextStep step = {
    .tokens = tokens,.count = count,.logits = logits,.result = &result
  };
  NpuTextPass *pass;
  NpuError error;

  if (npu_model_wait (runner->model, NPU_MODEL_DECODER, NPU_WAIT_FOREVER,
          &error) != NPU_OK ||
      npu_text_pass_create (runner->model, config->vocabulary, &pass,
          &error) != NPU_OK ||
      npu_text_pass_listen (pass, states, positions, &error) != NPU_OK ||
      npu_text_pass_append (pass, &step, &error) != NPU_OK)
    fail (&error);
  write_values (paths[2], logits, config->vocabulary);
  npu_text_pass_free (pass);
  free (states);
  free (tokens);
  free (logits);
}

static void
write_transcript (const char *path, const NpuTranscript * transcript)
{
  FILE *file = fopen (path, "w");

  if (!file) {
    perror (path);
    exit (1);
  }
  fprintf (file, "%u %u %d %d %.9g %.9g\n", transcript->next,
      transcript->tokens, transcript->no_speech, transcript->looped,
      (double) transcript->no_speech_probability,
      (double) transcript->log_probability);
  for (size_t i = 0; i < transcript->count; i++)
    fprintf (file, "%u %u %s\n", transcript->segments[i].start,
        transcript->segments[i].end, transcript->segments[i].text);
  fclose (file);
}

static bool
run_decode (Runner * runner, const char *line)
{
  char states[PATH_LENGTH], out[PATH_LENGTH];
  NpuDecoderOptions options = NPU_DECODER_OPTIONS_DEFAULT;
  NpuDecoderWindow window = { NULL };
  NpuTranscript transcript;
  NpuDecoder *decoder;
  NpuError error;
  unsigned full, final;
  float *values;

  if (sscanf (line, "decode %1023s %u %u %u %u %f %f %1023s", states,
          &window.positions, &window.valid, &full, &final,
          &options.no_speech_threshold, &options.log_probability_threshold,
          out) != 8)
    return false;
  values = read_values (states, (size_t) window.positions *
      npu_model_config (runner->model)->audio_width, sizeof (float));
  window.states = values;
  window.full = full;
  window.final = final;
  if (npu_decoder_create (runner->model, &options, &decoder,
          &error) != NPU_OK ||
      npu_decoder_decode (decoder, &window, &transcript, &error) != NPU_OK)
    fail (&error);
  write_transcript (out, &transcript);
  npu_decoder_free (decoder);
  free (values);
  return true;
}

static void
run_jobs (Runner * runner)
{
  char line[4 * PATH_LENGTH], name[16], first[PATH_LENGTH],
      second[PATH_LENGTH], out[PATH_LENGTH];
  uint32_t number, count;

  while (fgets (line, sizeof (line), stdin)) {
    const char *const paths[] = { first, second, out };

    if (sscanf (line, "encode %1023s %u %u %1023s", first, &count, &number,
            out) == 4) {
      encode (runner, first, count, number, out);
    } else if (run_decode (runner, line)) {
      continue;
    } else if (sscanf (line, "%15s %1023s %u %1023s %u %1023s", name, first,
            &number, second, &count, out) == 6) {
      if (!strcmp (name, "logits"))
        compute_logits (runner, paths, number, count);
      else
        run_prompt (runner, paths, number, count);
    } else {
      fprintf (stderr, "no job: %s", line);
      exit (1);
    }
  }
}

int
main (int argc, char **argv)
{
  static const char *const precisions[NPU_PRECISIONS] = {
    "auto", "float32", "bf16", "int8"
  };
  Runner runner;
  NpuDevice *device;
  NpuError error;
  int precision = 0;

  if (argc != 3) {
    fprintf (stderr, "run-model MODEL PRECISION\n");
    return 1;
  }
  while (precision < NPU_PRECISIONS &&
      strcmp (argv[2], precisions[precision]) != 0)
    precision++;
  if (npu_device_open ("cpu", NULL, &device, &error) != NPU_OK ||
      npu_model_open (argv[1], device, (NpuPrecision) precision,
          &runner.model, &error) != NPU_OK ||
      npu_encoder_create (runner.model, NULL, &runner.encoder,
          &error) != NPU_OK ||
      npu_decoder_create (runner.model, NULL, &runner.decoder,
          &error) != NPU_OK ||
      npu_ring_create (device, npu_model_config (runner.model)->bands,
          2 * npu_model_config (runner.model)->audio_context, &runner.ring,
          &error) != NPU_OK) {
    fprintf (stderr, "%s\n", error.message);
    /* What Automake calls skipped: the device lacks the precision. */
    return error.status == NPU_ENOTSUP ? 77 : 1;
  }
  run_jobs (&runner);
  npu_ring_unref (runner.ring);
  npu_decoder_free (runner.decoder);
  npu_encoder_free (runner.encoder);
  npu_model_unref (runner.model);
  npu_device_unref (device);
  return 0;
}
