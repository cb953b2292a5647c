/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Speech on request for training and tests. Reads one utterance a line from
 * standard input, speaks it with espeak-ng or flite and writes the samples
 * (16 kHz, one channel, 16 bits) with the time of each word to standard
 * output. Choosing words, voices and prosody is the caller's affair.
 *
 * A request has six fields separated by tabs:
 *   engine  voice  rate  pitch  range  warp  text
 * engine is "espeak" or "flite"; rate is a factor of speed; pitch and range are
 * espeak-ng's 0 ... 99, or for flite a factor of the fundamental in per cent
 * and its deviation in Hz; warp resamples by that factor (1.1 raises formants
 * and pitch by 10 % and shortens). An answer is, little endian:
 *   "UTTR"  uint32 samples  uint32 words  words x (uint32 start, uint32 end)
 *   samples x int16
 * with no samples where the engine refused.
 *
 * The Makefile beside this file builds it.
 */
#include <espeak-ng/speak_lib.h>
#include <flite/flite.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_RATE 16000
#define MAX_WORDS 256
#define MAX_SAMPLES (22050 * 60)
#define MAX_LINE 8192
#define SINC_HALF_WIDTH 16      /* zero crossings each side */
#define MAX_TAPS 96
#define PHASES 512
#define SILENCE_BELOW 0.006     /* of the peak: where speech begins and ends */

typedef struct {
  int rate;
  size_t samples;
  size_t words;
  double start[MAX_WORDS];      /* seconds */
  double end[MAX_WORDS];
  int16_t audio[MAX_SAMPLES];
} Utterance;

typedef struct {
  const char *engine;
  const char *voice;
  double rate;
  double pitch;
  double range;
  double warp;
  const char *text;
} Request;

cst_voice *register_cmu_us_awb (const char *);
cst_voice *register_cmu_us_kal16 (const char *);
cst_voice *register_cmu_us_rms (const char *);
cst_voice *register_cmu_us_slt (const char *);

static Utterance utterance;
static int espeak_rate;

/* The word whose first character is at or before a position of the text. */
static int
word_at (const char *text, int position)
{
  int word = -1;

  for (int i = 0; text[i] && i < position; i++)
    if (text[i] != ' ' && (i == 0 || text[i - 1] == ' '))
      word++;
  return word;
}

static size_t
count_words (const char *text)
{
  return (size_t) (word_at (text, (int) strlen (text)) + 1);
}

static const char *espeak_text;
static int espeak_word;

static int
espeak_callback (short *samples, int count, espeak_EVENT *event)
{
  Utterance *u = &utterance;

  if (samples && count > 0 && u->samples + (size_t) count <= MAX_SAMPLES) {
    memcpy (u->audio + u->samples, samples, (size_t) count * sizeof *samples);
    u->samples += (size_t) count;
  }
  for (; event->type != espeakEVENT_LIST_TERMINATED; event++) {
    double at = event->audio_position / 1000.0;

    if (event->type == espeakEVENT_WORD) {
      if (espeak_word >= 0 && u->end[espeak_word] < 0)
        u->end[espeak_word] = at;
      espeak_word = word_at (espeak_text, event->text_position);
      if (espeak_word >= 0 && espeak_word < (int) u->words) {
        u->start[espeak_word] = at;
        u->end[espeak_word] = -1;
      } else {
        espeak_word = -1;
      }
    } else if (event->type == espeakEVENT_END ||
        (event->type == espeakEVENT_PHONEME && event->id.string[0] == '_')) {
      if (espeak_word >= 0 && u->end[espeak_word] < 0)
        u->end[espeak_word] = at;
    }
  }
  return 0;
}

/* Words that the engine spoke as one with their neighbour share its time, each
 * by its letters. */
static void
complete_words (Utterance *u, const char *text, double length)
{
  size_t letters[MAX_WORDS];

  for (size_t w = 0; w < u->words; w++) {
    letters[w] = strcspn (text, " ");
    text += letters[w] + strspn (text + letters[w], " ");
  }
  for (size_t w = 0, next; w < u->words; w = next) {
    double begin = u->start[w] >= 0 ? u->start[w] : 0, end = u->end[w];
    size_t sum = letters[w], before = 0;

    for (next = w + 1; next < u->words && u->start[next] < 0; next++)
      sum += letters[next];
    if (end < begin)
      end = next < u->words ? u->start[next] : length;
    for (size_t k = w; k < next; k++) {
      u->start[k] = begin + (end - begin) * (double) before / (double) sum;
      before += letters[k];
      u->end[k] = begin + (end - begin) * (double) before / (double) sum;
    }
  }
}

static int
speak_espeak (const Request *r)
{
  Utterance *u = &utterance;

  if (espeak_SetVoiceByName (r->voice) != EE_OK)
    return -1;
  espeak_SetParameter (espeakRATE, (int) lrint (r->rate * espeakRATE_NORMAL), 0);
  espeak_SetParameter (espeakPITCH, (int) lrint (r->pitch), 0);
  espeak_SetParameter (espeakRANGE, (int) lrint (r->range), 0);
  u->rate = espeak_rate;
  espeak_text = r->text;
  espeak_word = -1;
  return espeak_Synth (r->text, strlen (r->text) + 1, 0, POS_CHARACTER, 0,
      espeakCHARS_UTF8, NULL, NULL) == EE_OK ? 0 : -1;
}

static cst_voice *
flite_voice (const char *name)
{
  static const struct {
    const char *name;
    cst_voice *(*open) (const char *);
  } known[] = {
    { "awb", register_cmu_us_awb },
    { "kal16", register_cmu_us_kal16 },
    { "rms", register_cmu_us_rms },
    { "slt", register_cmu_us_slt },
  };
  static cst_voice *opened[sizeof known / sizeof *known];

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp (name, known[i].name) == 0) {
      if (!opened[i])
        opened[i] = known[i].open (NULL);
      return opened[i];
    }
  return NULL;
}

static int
speak_flite (const Request *r)
{
  Utterance *u = &utterance;
  cst_voice *voice = flite_voice (r->voice);
  cst_utterance *spoken;
  cst_wave *wave;
  size_t words = 0;

  if (!voice)
    return -1;
  feat_set_float (voice->features, "duration_stretch", (float) (1.0 / r->rate));
  feat_set_float (voice->features, "f0_shift", (float) (r->pitch / 100.0));
  if (r->range > 0)
    feat_set_float (voice->features, "int_f0_target_stddev", (float) r->range);
  spoken = flite_synth_text (r->text, voice);
  if (!spoken)
    return -1;
  wave = utt_wave (spoken);
  u->rate = wave->sample_rate;
  u->samples = (size_t) wave->num_samples;
  if (u->samples > MAX_SAMPLES)
    u->samples = MAX_SAMPLES;
  memcpy (u->audio, wave->samples, u->samples * sizeof *u->audio);
  for (const cst_item *w = relation_head (utt_relation (spoken, "Word")); w;
      w = item_next (w), words++) {
    if (words >= u->words)
      break;
    u->start[words] = flite_ffeature_float (w,
        "R:SylStructure.daughter1.daughter1.R:Segment.p.end");
    u->end[words] = flite_ffeature_float (w,
        "R:SylStructure.daughtern.daughtern.R:Segment.end");
  }
  delete_utterance (spoken);
  return words == u->words ? 0 : -1;
}

/* Moves the first start and the last end to where sound begins and ends. */
static void
trim_to_sound (Utterance *u)
{
  int peak = 0;
  size_t first = 0, last = u->samples;
  double begin, end;

  for (size_t i = 0; i < u->samples; i++)
    if (abs (u->audio[i]) > peak)
      peak = abs (u->audio[i]);
  while (first < last && abs (u->audio[first]) <= peak * SILENCE_BELOW)
    first++;
  while (last > first && abs (u->audio[last - 1]) <= peak * SILENCE_BELOW)
    last--;
  begin = (double) first / u->rate;
  end = (double) last / u->rate;
  u->start[0] = begin;
  u->end[u->words - 1] = end;
  for (size_t w = 0; w < u->words; w++) {
    u->start[w] = fmin (fmax (u->start[w], begin), end);
    u->end[w] = fmin (fmax (u->end[w], u->start[w]), end);
  }
}

/* Windowed-sinc interpolation at any ratio; writes at most @capacity samples.
 * The filter is tabulated at PHASES positions between two samples. */
static size_t
resample (const Utterance *u, double step, int16_t *out, size_t capacity)
{
  static float table[PHASES][MAX_TAPS];
  static double tabulated;
  double cut = step > 1 ? 1 / step : 1;
  int half = (int) ceil (SINC_HALF_WIDTH / cut), taps;
  size_t count = (size_t) (u->samples / step);

  if (half > MAX_TAPS / 2)
    half = MAX_TAPS / 2;
  taps = 2 * half;
  if (tabulated != step) {
    for (int p = 0; p < PHASES; p++)
      for (int k = 0; k < taps; k++) {
        double x = (double) p / PHASES - (k - half + 1);
        double sinc = fabs (x) < 1e-9 ? cut : sin (M_PI * cut * x) / (M_PI * x);

        table[p][k] = (float) (sinc * (0.5 + 0.5 * cos (M_PI * x / half)));
      }
    tabulated = step;
  }
  if (count > capacity)
    count = capacity;
  for (size_t i = 0; i < count; i++) {
    double at = i * step;
    long first = (long) at - half + 1;
    const float *filter = table[(int) ((at - (long) at) * PHASES)];
    int from = first < 0 ? (int) -first : 0, to = taps;
    float sum = 0;

    if (first + to > (long) u->samples)
      to = (int) ((long) u->samples - first);
    for (int k = from; k < to; k++)
      sum += u->audio[first + k] * filter[k];
    out[i] = (int16_t) lrintf (fmaxf (-32768, fminf (32767, sum)));
  }
  return count;
}

static void
write_answer (const Request *r, int failed)
{
  static int16_t out[OUTPUT_RATE * 60];
  Utterance *u = &utterance;
  uint32_t head[2] = { 0, (uint32_t) u->words }, times[2 * MAX_WORDS] = { 0 };

  if (!failed && u->samples) {
    double step = u->rate * r->warp / OUTPUT_RATE;

    complete_words (u, r->text, (double) u->samples / u->rate);
    trim_to_sound (u);
    head[0] = (uint32_t) resample (u, step, out, sizeof out / sizeof *out);
    for (size_t w = 0; w < u->words; w++) {
      times[2 * w] = (uint32_t) (u->start[w] * OUTPUT_RATE / r->warp);
      times[2 * w + 1] = (uint32_t) (u->end[w] * OUTPUT_RATE / r->warp);
    }
  }
  fwrite ("UTTR", 1, 4, stdout);
  fwrite (head, sizeof *head, 2, stdout);
  fwrite (times, sizeof *times, 2 * u->words, stdout);
  fwrite (out, sizeof *out, head[0], stdout);
  fflush (stdout);
}

static int
parse_request (char *line, Request *r)
{
  char *field[7];

  line[strcspn (line, "\r\n")] = 0;
  for (int i = 0; i < 7; i++) {
    field[i] = line;
    if (i < 6) {
      line = strchr (line, '\t');
      if (!line)
        return -1;
      *line++ = 0;
    }
  }
  r->engine = field[0];
  r->voice = field[1];
  r->rate = atof (field[2]);
  r->pitch = atof (field[3]);
  r->range = atof (field[4]);
  r->warp = atof (field[5]);
  r->text = field[6];
  return r->rate > 0 && r->warp > 0 && *r->text ? 0 : -1;
}

int
main (void)
{
  static char line[MAX_LINE];

  espeak_rate = espeak_Initialize (AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL,
      espeakINITIALIZE_PHONEME_EVENTS | espeakINITIALIZE_DONT_EXIT);
  if (espeak_rate <= 0) {
    fprintf (stderr, "synthesize: espeak-ng does not start; is espeak-ng-data installed?\n");
    return 1;
  }
  espeak_SetSynthCallback (espeak_callback);
  flite_init ();

  while (fgets (line, sizeof line, stdin)) {
    Request request;
    int failed = -1;

    utterance.samples = utterance.words = 0;
    if (parse_request (line, &request) == 0) {
      utterance.words = count_words (request.text);
      if (utterance.words > MAX_WORDS) {
        utterance.words = 0;
      } else {
        for (size_t w = 0; w < utterance.words; w++)
          utterance.start[w] = utterance.end[w] = -1;
        failed = strcmp (request.engine, "espeak") == 0 ? speak_espeak (&request)
            : strcmp (request.engine, "flite") == 0 ? speak_flite (&request) : -1;
      }
    }
    write_answer (&request, failed);
  }
  return 0;
}
