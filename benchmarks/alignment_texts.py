"""What the alignment benchmark has spoken and aligned: 60 texts of 2 to 50 words."""

from benchmarks.synthesis_texts import PARAGRAPHS, SENTENCES

_SHORT = (
    "Good morning.",
    "Come in, please.",
    "No, not today.",
    "Where are you?",
    "That is all.",
    "Wait a moment, I am almost ready.",
    "Thank you very much.",
    "See you on Monday.",
)
_WITH_NUMBERS_AND_NAMES = (
    "The train leaves at 10:30 from platform 4.",
    "In 1969 two men walked on the moon.",
    "She paid $9.99 for a book of 250 pages.",
    "Dr. Smith lives at 221 Baker St. in London.",
    "About 75% of the 1,250 votes were counted by the 3rd of May.",
    "Zyborg and Quellinda drove from Kathmandu to Pokhara.",
    "Mr. Okonkwo sold his blorptastic machine to the FBI.",
    "The twenty-first century began well, or so they say.",
    "Our users -- there are 12 of them -- don't like the colour.",
    "It's nearly half past seven, isn't it?",
    "They said \u201cnever again\u201d, and then they did it twice.",
    "The well-known professor's lecture was cancelled without notice.",
)
TEXTS = (*SENTENCES, *_SHORT, *_WITH_NUMBERS_AND_NAMES, *PARAGRAPHS)
"""Single sentences, very short ones, what is not written as it is spoken, and ten paragraphs of 12 s."""
