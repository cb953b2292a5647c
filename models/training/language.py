# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the model can hear: its words, how they are spoken, and sentences.

One word is one token and one pronunciation is one word, so that a transcript
is never a guess between spellings: a letter's name is written as the letter,
except `r` and `u`, which are written `are` and `you`; the words be, see, tea,
why, oh and eye are therefore not in the list but come out as b, c, t, y, o and
i, and their, our, write, know as there, hour, right, no. Two exceptions: `to`
and `for` beside `two` and `four`. They are spoken weakly and only ever stand in
sentences, never in the free order of words.
"""

GROUPS = {
    "digits": "zero one two three four five six seven eight nine",
    "numbers": "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "half first second third last point minus plus percent degrees",
    "letters": "a b c d e f g h i j k l m n o p q s t v w x y z",
    "commands": "turn switch open close start stop play pause go come set show hide move take put get "
    "bring call send save delete paste cancel confirm repeat help undo enter press "
    "push pull hold lock unlock increase decrease raise lower dim mute skip record "
    "continue finish find search select follow wait wake sleep listen speak say tell ask answer "
    "check clean count drive make print remember remove "
    "scroll walk wash watch zoom",
    "directions": "on off up down left right in out over under back forward north south east west "
    "here there top bottom middle next previous around near far away inside outside between",
    "colours": "red green blue yellow orange purple pink black white brown grey gold colour",
    "days": "monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday",
    "months": "january february march april may june july august september october november december",
    "times": "morning evening night noon midnight minute day week month year time now later "
    "always never again before after until clock hours minutes seconds",
    "rooms": "kitchen bedroom bathroom garage garden hall office room house home door window floor "
    "table chair bed shower",
    "things": "light lights lamp radio television music song volume channel alarm timer heater camera "
    "phone computer screen button key book letter message word number name list picture "
    "movie news weather temperature coffee water milk bread apple banana breakfast dinner food "
    "car train bus bicycle street city river mountain flower bird cat "
    "ball box bag money bottle paint power energy system program file folder "
    "robot curtain oven engine internet battery map school doctor friend "
    "brother",
    "qualities": "big small long hot cold warm cool fast slow high low loud quiet bright dark "
    "good bad happy sad young full clean ready hungry heavy strong "
    "quick quickly slowly very",
    "function": "the and or not yes no please thank you are is was have do does did can will "
    "would must my your his this that these those what when where who how "
    "which with from to for of about at by if then all every only more less "
    "he she it we they me hello goodbye okay sorry maybe nothing everything something "
    "want need like love",
}
WORDS = list(dict.fromkeys(" ".join(GROUPS.values()).split()))

# Other ways to say a word (the text that the synthesiser is given).
SPOKEN = {
    "z": ["z", "zed", "zee"],
    "a": ["a", "a", "a", "eh"],
    "colour": ["color"],
    "grey": ["gray"],
}

SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>",
           "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
TIME_STEP = 0.02
LAST_TIME = 500

TOKEN = {word: i for i, word in enumerate(WORDS)}
for _i, _name in enumerate(SPECIAL):
    TOKEN[_name] = len(WORDS) + _i
END = TOKEN["<|endoftext|>"]
START = TOKEN["<|startoftranscript|>"]
NO_SPEECH = TOKEN["<|nospeech|>"]
FIRST_TIME = len(WORDS) + len(SPECIAL)
VOCABULARY = FIRST_TIME + LAST_TIME + 1

# Sentences: {group} draws from a list, words in brackets are optional.
LISTS = {
    "digit": GROUPS["digits"].split(),
    "teen": "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(),
    "tens": "twenty thirty forty fifty sixty seventy eighty ninety".split(),
    "letter": "a b c d e f g h i j k l m n o p q are s t you v w x y z".split(),
    "colour": "red green blue yellow orange purple pink black white brown grey gold".split(),
    "day": "monday tuesday wednesday thursday friday saturday sunday today tomorrow".split(),
    "month": GROUPS["months"].split(),
    "room": "kitchen bedroom bathroom garage garden hall office".split(),
    "device": "light lights lamp radio television music alarm timer heater camera phone computer "
              "screen oven shower engine robot power".split(),
    "opening": "door window garage curtain box bag bottle book file folder program message".split(),
    "thing": GROUPS["things"].split(),
    "quality": "big small long hot cold warm cool fast slow high low loud quiet bright dark good bad "
               "happy sad young full ready heavy strong".split(),
    "media": "music song radio movie news channel".split(),
    "action": "stop start pause continue go wait repeat cancel confirm help undo skip mute record finish".split(),
    "way": "left right up down back forward north south east west".split(),
    "owner": "my your his the this that".split(),
    "person": "i you we they he she".split(),
    "family": "brother friend doctor".split(),
    "verb": "want need like love have".split(),
    "do": "find show open close take bring get put move check select remove".split(),
    "length": "seconds minutes hours".split(),
    "change": "increase decrease raise lower set check".split(),
    "place": "in on under over near inside outside by".split(),
    "travel": "car train bus bicycle".split(),
}
SENTENCES = [
    "turn (on|off) the [{room}] {device} [please]", "[please] turn the {device} (on|off)",
    "switch (on|off) the [{room}] {device}", "switch the {room} {device} (on|off)",
    "turn (left|right) [now]", "go {way}", "move {way} [{digit}]", "turn {way} at the next street",
    "(open|close|lock|unlock) the [{room}] (door|window)", "[please] (open|close) the {opening}",
    "(play|pause|stop|skip|record) [the|my] {media}", "play the next song", "play the music in the {room}",
    "{change} the (volume|temperature|light) [please]", "set the volume to {tens} percent",
    "set the temperature to {tens} {digit} degrees", "set (a|the) timer for {digit} {length}",
    "set the alarm for {digit} {tens}", "wake me up at {digit} in the morning",
    "make the [{room}] lights {colour}", "paint the {thing} {colour}", "the {colour} {thing} is {quality}",
    "the {thing} is {place} the {thing}", "put the {thing} {place} the {thing}",
    "{do} {owner} {thing}", "{do} the {quality} {thing}", "what is the (time|weather|temperature) [today|now|tomorrow]",
    "what time is it", "how (hot|cold|far|high|long) is (it|the {thing})", "where is {owner} {thing}",
    "who is at the door", "when is the next (train|bus|car)", "what day is it today",
    "(call|ask|tell|answer) {owner} {family} [please]", "send a message to {owner} {family}",
    "{person} {verb} {owner} {thing}", "{person} (want|need|like) a {quality} {thing}",
    "{person} (can|will|would|must) {do} it [now|later|again]",
    "do (you|they|we) (want|need|like|have) (coffee|water|milk|bread|food|breakfast|dinner)",
    "are (you|they|we) (ready|happy|hungry|there|here)",
    "{action} [now|please|it]", "{action}", "yes [please|it is|you can|i do]", "no [thank you|not now|it is not|never]",
    "(hello|goodbye) [{family}]", "thank you", "okay [computer|robot]", "sorry", "maybe [later|tomorrow]",
    "{digit} {digit} {digit}", "{digit} {digit} {digit} {digit} {digit}", "{digit} {digit}", "{digit}", "{tens} {digit}",
    "{digit} point {digit} {digit}", "{digit} hundred and {tens} {digit}", "{digit} thousand {digit} hundred",
    "{tens} {digit} (plus|minus) {teen}", "{letter} {letter} {letter}", "{letter} {digit} {letter} {digit}",
    "{day} {month} {teen}", "{day} at {digit} [{tens}]", "on {day} (morning|evening|night)",
    "in {month}", "the (first|second|third|last) of {month}", "remember the {thing} {day}",
    "drive (home|to the city|to school|to the office)", "{travel} number {digit} {digit}",
    "channel {digit} [{digit}]", "press (the {colour} button|the {letter} key|enter)",
    "zoom (in|out)", "scroll (up|down)", "go to the (next|previous|first|last) (file|picture|song|message|letter|word)",
    "(paste|delete|save|print|open|close|find) (this|that|the) (file|folder|picture|word|list|message|letter)",
    "count from {digit} to {teen}", "(wash|clean) the (floor|window|table|car|bottle) {day}",
    "it is {quality} and {quality}", "this is not {quality}", "everything is (ready|good|okay|quiet)",
    "they (walk|drive) (slowly|quickly) (to the {thing}|home|around the house)",
    "{person} are (happy|sad|good|bad)", "come (here|home|back|in) [now|please]",
    "listen to the (news|radio|music|bird)", "watch a movie (today|later)",
    "show me the (map|weather|picture|list|camera)", "take the {travel} to the (city|mountain|river|school)",
]


def expand(pattern, rng):
    """One sentence of a pattern, as a list of words."""
    import re
    while "[" in pattern:
        pattern = re.sub(r"\[([^\[\]]*)\]",
                         lambda m: rng.choice(m[1].split("|")) if rng.random() < 0.5 else "", pattern, count=1)
    while "(" in pattern:
        pattern = re.sub(r"\(([^()]*)\)", lambda m: rng.choice(m[1].split("|")), pattern, count=1)
    pattern = re.sub(r"\{(\w+)\}", lambda m: rng.choice(LISTS[m[1]]), pattern)
    return pattern.split()


SENTENCE_ONLY = {"to", "for"}
SELDOM = set(LISTS["letter"]) - {"a", "i", "are", "you"}


def random_words(rng, count):
    """Words in free order; single letters are drawn a quarter as often."""
    words = []
    while len(words) < count:
        word = rng.choice(WORDS)
        if word in SENTENCE_ONLY:
            continue
        if word not in SELDOM or rng.random() < 0.25:
            words.append(word)
    return words


def utterance(rng):
    """(kind, words) of a random utterance: sentence, free order, or a single word."""
    draw = rng.random()
    if draw < 0.40:
        return "sentence", expand(rng.choice(SENTENCES), rng)
    if draw < 0.60:
        return "word", random_words(rng, 1)
    return "free", random_words(rng, rng.choice((2, 2, 2, 3, 3, 4, 5, 6, 7)))


def spoken(words, rng):
    return " ".join(rng.choice(SPOKEN[w]) if w in SPOKEN else w for w in words)


def check():
    known = set(WORDS)
    for pattern in SENTENCES:
        import random
        rng = random.Random(1)
        for _ in range(100):
            missing = [w for w in expand(pattern, rng) if w not in known]
            assert not missing, (pattern, missing)


if __name__ == "__main__":
    check()
    print(len(WORDS), "words,", VOCABULARY, "tokens")
