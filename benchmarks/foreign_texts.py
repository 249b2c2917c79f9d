"""500 texts that no picture of the drawn scenes can be said to show, because nobody could say what they mean to the
model: other scripts, other languages in Latin letters, mashed keys, word pieces at random, stop words, numbers, code,
names, emoji."""

from __future__ import annotations

import random
from collections.abc import Sequence

TOTAL = 500

# The same everyday captions in each: a red boat, two cats on the left, a blue house at night, a tree beside the water,
# three yellow stars, a dog runs on the beach, flowers in the garden, an old man with a hat, a birthday cake, snow on
# the mountains, children play football, a cup of coffee on the table.
_SENTENCES = {
    "Arabic": "قارب أحمر|قطتان على اليسار|بيت أزرق في الليل|شجرة بجانب الماء|ثلاث نجوم صفراء|كلب يجري على الشاطئ|"
    "زهور في الحديقة|رجل عجوز يرتدي قبعة|كعكة عيد ميلاد|ثلج على الجبال|أطفال يلعبون كرة القدم|فنجان قهوة على الطاولة",
    "Russian": "красная лодка|две кошки слева|синий дом ночью|дерево у воды|три жёлтые звезды|собака бежит по пляжу|"
    "цветы в саду|старик в шляпе|торт на день рождения|снег в горах|дети играют в футбол|чашка кофе на столе",
    "Greek": "κόκκινη βάρκα|δύο γάτες αριστερά|μπλε σπίτι τη νύχτα|ένα δέντρο δίπλα στο νερό|τρία κίτρινα αστέρια|"
    "σκύλος τρέχει στην παραλία|λουλούδια στον κήπο|γέρος με καπέλο|τούρτα γενεθλίων|χιόνι στα βουνά",
    "Hindi": "लाल नाव|बाईं ओर दो बिल्लियाँ|रात में नीला घर|पानी के पास एक पेड़|तीन पीले तारे|कुत्ता समुद्र तट पर दौड़ता है|"
    "बगीचे में फूल|टोपी पहने बूढ़ा आदमी|जन्मदिन का केक|पहाड़ों पर बर्फ|बच्चे फुटबॉल खेलते हैं",
    "Chinese": "红色的船|左边有两只猫|夜晚的蓝色房子|水边的树|三颗黄色的星星|狗在海滩上奔跑|花园里的花|"
    "戴帽子的老人|生日蛋糕|山上的雪|"
    "孩子们踢足球|桌上的一杯咖啡|東京の夜|一",
    "Japanese": "赤い船|左に二匹の猫|夜の青い家|水辺の木|三つの黄色い星|犬が浜辺を走る|"
    "庭の花|帽子をかぶった老人|誕生日ケーキ|"
    "やまのゆき|コーヒーカップ|ボートとねこ|さくら",
    "Korean": "빨간 배|왼쪽에 고양이 두 마리|밤의 파란 집|물가의 나무|노란 별 세 개|"
    "개가 해변에서 달린다|정원의 꽃|모자를 쓴 노인|생일 케이크|"
    "산 위의 눈|아이들이 축구를 한다",
    "Thai": "เรือสีแดง|แมวสองตัวทางซ้าย|บ้านสีน้ำเงินตอนกลางคืน|ต้นไม้ริมน้ำ|ดาวสีเหลืองสามดวง|สุนัขวิ่งบนชายหาด|ดอกไม้ในสวน|"
    "ชายชราสวมหมวก|เค้กวันเกิด|หิมะบนภูเขา",
    "Hebrew": "סירה אדומה|שני חתולים בצד שמאל|בית כחול בלילה|עץ ליד המים|שלושה כוכבים צהובים|כלב רץ על החוף|פרחים בגן|"
    "זקן עם כובע|עוגת יום הולדת|שלג על ההרים",
    "Georgian and others": "წითელი ნავი|ორი კატა|կարմիր նավակ|երկու կատու|লাল নৌকা|দুটি বিড়াল|சிவப்பு படகு|இரண்டு பூனைகள்|"
    "ទូកក្រហម|ເຮືອສີແດງ|ቀይ ጀልባ|قایق قرمز|سرخ کشتی|червен кораб і два коти",
    "Vietnamese": "thuyền màu đỏ|hai con mèo bên trái|ngôi nhà màu xanh vào ban đêm|cái cây bên nước|ba ngôi sao vàng|"
    "con chó chạy trên bãi biển|hoa trong vườn|ông già đội mũ|bánh sinh nhật|tuyết trên núi|anh ta an toàn|to an ba",
    "German": "ein rotes Boot|zwei Katzen links|ein blaues Haus bei Nacht|ein Baum am See|drei gelbe Sterne|"
    "ein Hund rennt am Strand|Blumen im Garten|ein alter Mann mit Hut|eine Geburtstagstorte|Schnee auf den Bergen|"
    "Kinder spielen Ball|eine Tasse Kaffee auf dem Tisch|der Mann hat einen Ball in der Hand|die Lampe an der Wand",
    "French": "un bateau rouge|deux chats à gauche|une maison bleue la nuit|un arbre au bord de l'eau|"
    "trois étoiles jaunes|un chien court sur la plage|des fleurs dans le jardin|un vieil homme avec un chapeau|"
    "un gâteau d'anniversaire|la neige en montagne|une orange sur la table|la photo des violettes|un car jaune",
    "Spanish": "un barco rojo|dos gatos a la izquierda|una casa azul por la noche|un árbol junto al agua|"
    "tres estrellas amarillas|un perro corre por la playa|flores en el jardín|un anciano con sombrero|"
    "una tarta de cumpleaños|nieve en las montañas|tres en la mesa|a la orilla",
    "Turkish": "kırmızı bir tekne|solda iki kedi|gece mavi bir ev|suyun yanında bir ağaç|üç sarı yıldız|"
    "köpek sahilde koşuyor|bahçede çiçekler|şapkalı yaşlı adam|doğum günü pastası|dağlarda kar",
    "Finnish": "punainen vene|kaksi kissaa vasemmalla|sininen talo yöllä|puu veden äärellä|kolme keltaista tähteä|"
    "koira juoksee rannalla|kukkia puutarhassa|vanha mies on pihalla|syntymäpäiväkakku|lunta vuorilla",
    "Italian, Portuguese, Dutch, Polish and others": "una barca rossa|due gatti a sinistra|um barco vermelho|"
    "dois gatos à esquerda|een rode boot|twee katten links|een lamp op de kast|czerwona łódź|dwa koty po lewej|"
    "en röd båt|två katter till vänster|en rød båd|o barcă roșie|piros csónak|červená loď|perahu merah|"
    "mashua nyekundu|et hus om natten|een ster in de zee|de kat en de hond",
}  # fmt: skip
_NAMES = (
    "Angela Merkel|Mohammed Salah|Zhang Wei|Maria Gonzalez|IMG_2041|DSC01234|Eiffel Tower|Kyoto|Lionel Messi|Istanbul|"
    "Canon EOS|McDonalds|iPhone 15 Pro|Wolfgang Amadeus Mozart|Siobhan O'Brien|Jürgen Müller|Neuschwanstein|Uluru|"
    "Guadalajara|Xi'an|Ngorongoro|Grandma Ruth|Nikola Tesla|Aunt Betty|Barcelona|Mr Smith|Coca Cola|Volkswagen Golf|"
    "Taj Mahal|Harry Potter|Ryanair|Tom Hanks|New York|San Francisco|Mount Fuji"
)
_CODE = (
    "for i in range(10): print(i)|SELECT * FROM images|<div class='a'>|if (x == y) { return 0; }|git commit -m fix|"
    "import numpy as np|sudo rm -rf|https://example.com/a/b?c=1|C:\\Users\\me\\a.jpg|def f(x): return x|0x7fff5fbff8c0|"
    "a=b+c*d|console.log('on')|#include <stdio.h>|\\n\\t\\0|user@example.com|{'key': [1, 2, 3]}|std::vector<int> v|"
    "%20%41%zz|x -> y|and or not in is|$HOME/bin|&amp;lt;|v1.2.3-beta|lorem ipsum dolor sit amet"
)
_STOP_WORDS = """a an the of and is are on in at to with by for or not it this that there from as be but was all one"""
_STOPPED = (
    "of|the|and|a|is|there is|there are|in the|on the|a photo of|a picture of|the the the|it is|to be or not to be|"
    "this|that one|with|at|an|are|photo|a photo|see|the picture|a picture of the|one|two|in|on|to the"
)
_NUMBERS = (
    "2019|1|42|3.14159|12:30|2019-06-12|007|100%|1,000,000|5 6 7|0|٢٠١٩|２０１９|½|IV|-1|1e9|+49 30 1234567|3x4|16:9|"
    "四|第一|99 bottles|7th|10km"
)
_SIGNS = "a ???|? b !|x...|(a)|-- c --|é|ß|ø|☃ z|→ q|~ a ~|a/b|A.B.C.|@a|#b"
_EMOJI = (
    "🚤 a|🐱🐱 cats?|🏠 🌙 q|⭐⭐⭐ x|❤️ u|🎂 bday|👍 ok|🌊 vibes|📷 pic|😀 lol|🐟 fsh|🚀 wen|🇩🇪 de|👨‍👩‍👧 fam|🔴⛵ b"
)


def foreign_texts(pieces: Sequence[str], seed: int = 0) -> list[tuple[str, str]]:
    """(kind, text), `TOTAL` of them. ``pieces``: the model's word pieces, of which some texts are made at random."""
    rng = random.Random(f"foreign:{seed}")
    found = [(language, text) for language, texts in _SENTENCES.items() for text in texts.split("|")]
    found += [("names", text) for text in _NAMES.split("|")]
    found += [("code", text) for text in _CODE.split("|")]
    found += [("stop words", text) for text in _STOPPED.split("|")]
    found += [("stop words", " ".join(rng.choices(_STOP_WORDS.split(), k=rng.randint(2, 6)))) for _ in range(15)]
    found += [("numbers", text) for text in _NUMBERS.split("|")]
    found += [("signs", text) for text in _SIGNS.split("|")]
    found += [("emoji", text) for text in _EMOJI.split("|")]
    found += [("mashed keys", _mashed(rng)) for _ in range(50)]
    missing = TOTAL - len(found)
    usual = [piece.removeprefix("##") for piece in pieces if not (piece.startswith("[") and piece.endswith("]"))]
    for number in range(missing):
        chosen = rng.choices(usual, k=rng.randint(2, 7))
        found.append(("random pieces", ("" if number % 3 == 0 else " ").join(chosen)))
    return found


def _mashed(rng: random.Random) -> str:
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    words = []
    for _ in range(rng.randint(1, 4)):
        row = rng.choice(rows)
        length = rng.randint(3, 9)
        words.append("".join(rng.choices(row if rng.random() < 0.7 else "".join(rows), k=length)))
    return " ".join(words)
