"""How recipes measure: "2 c flour", "1/4 c. milk", "3 T. oil", "1 tbs. butter", "2 tbsps. of rum"."""

from speech_service.text.english.rules import Rule, rule

_POURED = (
    r"flour|sugar|milk|water|butter|oil|cream|rice|broth|stock|juice|oats|nuts|cheese|yogurt|honey|syrup|salt|wine|"
    r"beans|lentils|berries|chips|cocoa|coffee|crumbs|spinach|carrots?|onions?|tomatoes|walnuts|almonds|pecans|raisins"
)
"""What cups and spoons are filled with."""
_OF = rf"(?= (?:of )?(?:[a-z]{{3,12}} )?(?:{_POURED})\b)"
_CUP = rf"(?:c\.(?= (?:of )?[a-z])|[cC]\.?{_OF})"
_ONE = r"(?<![\d.,/])(?<!\d )(?:1|[½¼¾⅓⅔⅛]|[1-3]/[2348]) ?"
"""One, or a part of one."""
_MANY = r"(?<=[\d½¼¾⅓⅔⅛] )"
_SPOONS = {"T": "tablespoon", "t": "teaspoon", "tbs": "tablespoon", "Tbs": "tablespoon"}

KITCHEN: tuple[Rule, ...] = (
    rule(rf"({_ONE}){_CUP}", r"\1cup"),
    rule(rf"{_MANY}{_CUP}", "cups"),
    rule(
        rf"({_ONE})([Tt]|[Tt]bs)\b\.?{_OF}",
        lambda match: match[1] + _SPOONS[match[2]],
    ),
    rule(rf"{_MANY}([Tt]|[Tt]bs)\b\.?{_OF}", lambda match: f"{_SPOONS[match[1]]}s"),
    rule(r"(?<=\d )(tsp|tbsp|pkg|oz|lb|qt|gal)\.(?= [a-z])", r"\1"),
    rule(r"(?<=[½¼¾⅓⅔⅛] )(tsp|tbsp|pkg|oz|lb|qt|pt|gal)\.(?= [a-z])", r"\1"),
    rule(
        r"(?<=[\d½¼¾⅓⅔⅛] )([Tt])b?sps\b\.?",
        lambda match: "tablespoons" if match[0][1] == "b" else "teaspoons",
    ),
    rule(r"(?<=[\d½¼¾⅓⅔⅛] )T(?=sp\b|bsp\b)", "t"),
    rule(r"\b([Mm])ed-(?=(?:high|low|rare|well|large|small|size|sized)\b)", r"\1edium "),
    rule(r"(?<=\d)[ -]?pks?\b", lambda match: " packs" if "s" in match[0] else " pack"),
)
"""Rules that come before units are read."""
