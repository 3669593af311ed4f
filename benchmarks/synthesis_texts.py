"""What the synthesis benchmarks have spoken. Chosen once, before anything was measured; nothing was left out since."""

SENTENCES = (
    "The harbour was quiet that morning, and the boats lay still beside the old stone wall.",
    "Could you please tell me where the nearest railway station is?",
    "She bought three apples, a loaf of bread and a small piece of cheese.",
    "Although the rain had stopped, the children stayed inside the house.",
    "What a beautiful garden you have!",
    "The committee will meet again next Tuesday to discuss the new budget.",
    "My brother plays the violin, but he has never performed in public.",
    "Turn left at the second traffic light, then walk straight on for ten minutes.",
    "Nobody knew why the bell in the tower began to ring at midnight.",
    "The doctor told him to drink more water and to sleep longer.",
    "If you press this button, the machine will stop at once.",
    "Winter came early, and snow covered the fields for many weeks.",
    "Our teacher explained the problem twice, yet half of the class did not understand it.",
    "Please keep your seat belt fastened until the plane has come to a complete stop.",
    "The old man smiled, shook his head, and went back to his newspaper.",
    "How long does it take to learn a new language?",
    "Fresh coffee and warm bread were waiting on the kitchen table.",
    "The engineers tested the bridge for several months before it was opened.",
    "He promised to call, but the telephone remained silent all evening.",
    "Thousands of people gathered in the square to listen to the music.",
    "I cannot remember the name of the village where we spent that summer.",
    "The library closes early on Friday, so return your books before then.",
    "A narrow path leads through the forest to a lake with clear blue water.",
    "Is there anything else that I can do for you today?",
    "The price of wheat rose sharply after the long dry season.",
    "They travelled across the desert by night, guided only by the stars.",
    "Her first novel was published when she was only nineteen years old.",
    "Wash your hands carefully before you prepare any food.",
    "The judge listened to both sides and asked for more evidence.",
    "We shall see whether the weather improves before the end of the week.",
)
"""30 sentences without digits, which a recognizer may write either way."""

TWENTY_WORDS = (
    "The museum opens every morning at nine and visitors may walk freely through all of its large and quiet rooms.",
    "When the storm had passed, the fishermen returned to the beach and looked for what was left of their boats.",
    "Thank you for calling our office. All of our people are busy now, but someone will be with you shortly.",
    "Your appointment with the dentist has been moved to Thursday afternoon "
    "because the practice is closed on Wednesday this week.",
    "Good evening. The next train to the city leaves from platform four, and it will stop at every small station.",
    "She asked whether the parcel that her sister had sent from the coast three days ago had arrived at last.",
    "Yes, of course. I can book a table for two at seven tonight, or would you rather come much later?",
    "Researchers who studied the river for ten years found that "
    "its water had become cleaner and its fish more numerous.",
)
"""Texts of 20 words: single sentences without and with a comma, and several sentences."""

PARAGRAPHS = tuple(" ".join(SENTENCES[at : at + 3]) for at in range(0, len(SENTENCES), 3))
"""Ten texts of about 12 s, as an assistant might answer."""
