"""Sentences as they stand in letters, news and chats, several forms in one; made after the rules of the others."""

# ruff: noqa: E501, RUF001 - a table of pairs; typographic signs are the data of this module

from collections.abc import Iterator

from benchmarks.forms.readings import readings

_LINES = """
Your flight UA 1182 departs at 6:05 a.m. from gate B22. => Your flight U A (one one eight two|eleven eighty-two|one thousand one hundred eighty-two) departs at six oh five A M from gate B twenty-two.
We paid $1,499.99 for two 65-inch TVs. => We paid (one thousand four hundred ninety-nine|fourteen ninety-nine) dollars (and |)ninety-nine(| cents) for two sixty-five inch TVs.
Rent is due on the 1st of every month. => Rent is due on the first of every month.
Mix 250 ml of water with 3 tbsp of flour. => Mix two hundred fifty milliliters of water with three tablespoons of flour.
The recipe says 180 °C for 25-30 min. => The recipe says one hundred eighty degrees Celsius for twenty-five to thirty minutes.
Turn left onto Hwy 101 and drive 4.5 mi. => Turn left onto Highway (one oh one|one hundred one|one zero one) and drive four point five miles.
Profits fell 3.2% to $4.7bn in Q2 2021. => Profits fell three point two percent to four point seven billion dollars in (Q two|the second quarter of) twenty twenty-one.
My SSN is 078-05-1120. => My S S N is (zero seven eight zero five|oh seven eight oh five) one one two (zero|oh).
Room 1408 is on the 14th floor. => Room (fourteen oh eight|one four zero eight|one thousand four hundred eight) is on the fourteenth floor.
The temperature dropped to -12°F. => The temperature dropped to (minus|negative) twelve degrees Fahrenheit.
Chapter XI starts on p. 204. => Chapter eleven starts on page (two hundred four|two oh four).
He ran 100 m in 9.58 s. => He ran one hundred meters in nine point five eight seconds.
The WWII museum opens at 10. => The (World War two|W W two|W W I I|WWII) museum opens at ten.
I got 7/10 on the quiz. => I got seven (out of ten|tenths|over ten) on the quiz.
She scored 98/100 on the test. => She scored ninety-eight (out of one hundred|over one hundred|out of a hundred) on the test.
Version 3.11.4 fixes bug #2045. => Version three (point|dot) eleven (point|dot) four fixes bug number (two thousand forty-five|twenty forty-five|two zero four five).
Text STOP to 55433 to opt out. => Text stop to (five five four three three|fifty-five thousand four hundred thirty-three) to opt out.
Use promo code SAVE20 at checkout. => Use promo code save twenty at checkout.
The file is 3.2 GB, not 320 MB. => The file is three point two gigabytes not three hundred twenty megabytes.
Our offices are open Mon–Fri, 9–5. => Our offices are open Monday to Friday nine to five.
It's 5'9" tall and weighs 160 lbs. => It's five (foot|feet) nine(| inches) tall and weighs one hundred sixty pounds.
The year 2000 was a leap year. => The year two thousand was a leap year.
In 1905, Einstein wrote E = mc². => In nineteen oh five Einstein wrote E (equals|is) M C squared.
About 1/3 of users are under 25. => About one third of users are under twenty-five.
The match ended 2-2 after 90 minutes. => The match ended two (to |)two after ninety minutes.
Dr. Patel's office is at 12 Oak St. => Doctor Patel's office is at twelve Oak Street.
Call 1-800-555-0199 for help. => Call one eight zero zero five five five zero one nine nine for help.
It holds 1.5 L, i.e. about 50 fl oz. => It holds one point five liters (that is|I E) about fifty fluid ounces.
King Charles III spoke at 3 p.m. => King Charles the third spoke at three P M.
Meet me at 7:30 tomorrow. => Meet me at seven thirty tomorrow.
The budget is $2.5M for FY23. => The budget is two point five million dollars for F Y (twenty-three|twenty twenty-three).
Only 3 of 12 jurors agreed. => Only three of twelve jurors agreed.
The distance is 384,400 km. => The distance is three hundred eighty-four thousand four hundred kilometers.
Pi is about 3.14159. => Pi is about three point one four one five nine.
The URL is https://www.example.org/a. => The (URL|U R L) is (H T T P S colon slash slash |)(W W W dot |)example dot org slash A.
Email me at jo_smith@mail.com. => Email me at (jo|Jo|J O) underscore smith at mail dot com.
See pp. 12–15 of vol. 2. => See pages twelve to fifteen of volume two.
The 2008 crisis cost €1.2 trillion. => The two thousand eight crisis cost one point two trillion euros.
She is 1.75 m tall. => She is one point seven five meters tall.
My new PC has 32 GB of RAM. => My new P C has thirty-two gigabytes of RAM.
They left on Jan. 3rd. => They left on January third.
Take 2 pills every 8 hrs. => Take two pills every eight hours.
The speed limit is 65 mph. => The speed limit is sixty-five miles per hour.
We have ~500 users & growing. => We have (about|approximately|around) five hundred users and growing.
Serves 4–6 people. => Serves four to six people.
The ZIP is 94105-2203. => The (ZIP|zip) is nine four one zero five two two zero three.
Apt #4C is vacant. => Apartment (number |)four C is vacant.
The score was 21-14 at halftime. => The score was twenty-one (to |)fourteen at halftime.
My password has 8+ characters. => My password has eight (plus|or more) characters.
He was born on 12/31/1999. => He was born on December thirty-first nineteen ninety-nine.
The meeting is on 15 Aug 2023 at 14:00. => The meeting is on the fifteenth of August twenty twenty-three at fourteen (hundred|o'clock).
Take exit 14B off I-80. => Take exit fourteen B off I eighty.
Windows 10 ships with IE11. => Windows ten ships with I E eleven.
It costs 99¢ at the store. => It costs ninety-nine cents at the store.
I owe you £20. => I owe you twenty pounds.
The ratio is 3:1 in our favor. => The ratio is three to one in our favor.
Set the oven to 425°. => Set the oven to four hundred twenty-five degrees.
He weighs 80kg. => He weighs eighty kilograms.
Add 1/2 tsp salt. => Add (one|a) half teaspoon(| of) salt.
The 3rd edition sold 10,000 copies. => The third edition sold ten thousand copies.
Population: 8.4 million. => Population eight point four million.
The bill is No. 42. => The bill is number forty-two.
It was 20 yrs ago. => It was twenty years ago.
The plane flew at 35,000 ft. => The plane flew at thirty-five thousand feet.
Bring ID, e.g. a passport. => Bring (I D|ID) (for example|E G) a passport.
The CPU runs at 3.6 GHz. => The C P U runs at three point six gigahertz.
Visit us at 350 5th Ave., New York. => Visit us at three hundred fifty Fifth Avenue New York.
We won 3–0! => We won three (to |)(zero|nil|nothing|oh)!
The 21st century began in 2001. => The twenty-first century began in two thousand one.
Order #88213 shipped. => Order number (eight eight two one three|eighty-eight thousand two hundred thirteen) shipped.
The pH is 7.4. => The (pH|P H) is seven point four.
Your OTP is 009317. => Your O T P is (zero zero nine three one seven|oh oh nine three one seven).
Between 1914 and 1918, millions died. => Between nineteen fourteen and nineteen eighteen millions died.
The 1920s were wild. => The nineteen twenties were wild.
It's a 50-50 chance. => It's a fifty fifty chance.
Its GDP is $21,000 per capita. => Its G D P is twenty-one thousand dollars per capita.
The lens is f/1.8. => The lens is F (slash |)one point eight.
The car does 0-60 in 3.1 s. => The car does zero to sixty in three point one seconds.
Vitamin D3 costs $12.99. => Vitamin D three costs twelve dollars (and |)ninety-nine(| cents).
He has a BA and an MBA. => He has a B A and an M B A.
The vote was 52%-48%. => The vote was fifty-two (percent |)to forty-eight percent.
Lift 2×20 kg plates. => Lift two (times|by) twenty (kilogram|kilograms) plates.
The 5 km race is at 8am. => The five kilometer race is at eight A M.
Press Ctrl+C to stop. => Press (Control|Ctrl) plus C to stop.
The answer is 42. => The answer is forty-two.
I'm in seat 23F. => I'm in seat twenty-three F.
The plot is 40 x 60 ft. => The plot is forty by sixty feet.
Mr. & Mrs. Lee, 7 p.m., table for 2. => Mister and Missus Lee seven P M table for two.
St. Patrick's Day is March 17. => Saint Patrick's Day is March seventeenth.
The A/C is broken. => The A (slash |)C is broken.
The toll-free no. is 0800 1111. => The toll-free number is (zero eight zero zero|oh eight oh oh) one one one one.
Tap "Yes" or "No". => Tap Yes or No.
He said no. I agree. => He said no I agree.
Is it in the U.S. or the U.K.? => Is it in the U S or the U K?
The mass is 5.97 × 10²⁴ kg. => The mass is five point nine seven times ten to the (power of twenty-four|twenty-fourth|twenty-four|twenty-fourth power) kilograms.
The probability is p < 0.05. => The probability is P (is |)less than zero point zero five.
Sign here: ____. => Sign here.
Wait... what? => Wait what?
She's #1 in the 400 m. => She's number one in the four hundred meters.
"""


def sentences(seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """As in ``common``; there is nothing to draw."""
    del seed
    for line in _LINES.strip().splitlines():
        written, said = line.split(" => ")
        yield "letters", written, readings(said)
